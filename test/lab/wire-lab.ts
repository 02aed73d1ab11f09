import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '../../src/lib/clock.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { createPassThrough } from './pass-through.ts'
import type { PassThroughOptions, PassThroughProxy } from './pass-through.ts'

/** The wire alone in front of one upstream. */
export interface WireLab extends PassThroughProxy {
  readonly port: number
  readonly url: string
  /** Ends both. */
  readonly close: () => Promise<void>
}

/** Lets the upstream listen and the wire in front of it, both on loopback. */
export async function startWireLab(
  upstream: Server,
  options: Partial<PassThroughOptions> & Pick<PassThroughOptions, 'onFault'>,
): Promise<WireLab> {
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const origin = { host: '127.0.0.1', port: (upstream.address() as AddressInfo).port }
  const proxy = createPassThrough({ clock: systemClock, random: systemRandom, origin, ...options })
  const { port } = await proxy.front.listen({ port: 0, host: '127.0.0.1' })
  const close = async (): Promise<void> => {
    await proxy.front.close(0)
    proxy.pool.close()
    upstream.closeAllConnections()
    upstream.close()
  }
  return { ...proxy, port, url: `http://127.0.0.1:${port}`, close }
}
