import { z } from 'zod'

/** Input as lenient as the peer's (pydantic): `"true"`, `1` and `"3"` mean what they look like. */

const BOOLEAN = 'must be true or false'
const NUMBER = 'must be a number'

const TRUE_TEXTS = ['true', '1', 'yes', 'on', 't', 'y']
const FALSE_TEXTS = ['false', '0', 'no', 'off', 'f', 'n']

export const lenientBoolean = z.union(
  [
    z.boolean(),
    z.literal([0, 1]).transform((value) => value === 1),
    z
      .string()
      .refine((text) => [...TRUE_TEXTS, ...FALSE_TEXTS].includes(text.toLowerCase()), BOOLEAN)
      .transform((text) => TRUE_TEXTS.includes(text.toLowerCase())),
  ],
  BOOLEAN,
)

export const lenientNumber = z.union(
  [
    z.number(),
    z
      .string()
      .regex(/^-?\d{1,15}(?:\.\d{1,15})?$/, NUMBER)
      .transform(Number),
  ],
  NUMBER,
)

/** A client's own name for itself. */
export const clientId = z.string().max(128, 'must have at most 128 characters')
