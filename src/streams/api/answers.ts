import { z } from 'zod'

export const messageAnswer = z.object({ message: z.string() })

export const streamPath = z.object({ streamId: z.string() })
