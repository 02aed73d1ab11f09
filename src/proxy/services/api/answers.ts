import { z } from 'zod'
import type { Caller } from '../../../http/access.ts'
import type { Clock } from '../../../lib/clock.ts'
import { HoldfastError } from '../../../lib/errors.ts'
import type { Services } from '../services.ts'

export interface ServiceApiOptions {
  readonly services: Services
  readonly clock: Clock
}

export const tags = ['services']

export const servicePath = z.object({ serviceId: z.string() })
export const endpointPath = servicePath.extend({ endpointId: z.string() })

/** Who asks, for the journal. */
export function ownerOf({ caller }: { readonly caller: Caller | undefined }): string {
  if (caller === undefined) throw new HoldfastError('unauthorized', 'API token required')
  return caller.owner
}
