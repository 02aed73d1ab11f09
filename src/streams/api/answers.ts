import { z } from 'zod'

/** The body of an error, as m3u-proxy words it. */
const errorBody = z.object({
  detail: z.union([
    z.string(),
    z.array(z.object({ loc: z.array(z.union([z.string(), z.number()])), msg: z.string(), type: z.string() })),
  ]),
})

/** Documented with every route that can fail. */
export const errorAnswers = { '4xx': errorBody.meta({ description: 'What was wrong with the request' }) } as const

export const messageAnswer = z.object({ message: z.string() })

export const streamPath = z.object({ streamId: z.string() })
