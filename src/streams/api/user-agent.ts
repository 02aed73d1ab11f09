import { z } from 'zod'

const USER_AGENT_CHARACTERS_MAX = 1024

/** What a source is told as User-Agent. */
export const userAgentText = z
  .string()
  .max(USER_AGENT_CHARACTERS_MAX, `must have at most ${USER_AGENT_CHARACTERS_MAX} characters`)
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'must not contain line breaks or other control characters')
