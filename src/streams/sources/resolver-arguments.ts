/** Programs that find out where the media of a web page is. */
export const RESOLVERS = ['streamlink', 'ytdlp'] as const
export type ResolverName = (typeof RESOLVERS)[number]

/** `resolver_args` as they are given: the quality first, options behind it. */
export interface ResolverArguments {
  /** streamlink: names of streams, best first; yt-dlp: a format selector. */
  readonly quality: string
  readonly options: readonly string[]
}

export class ResolverArgumentError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ResolverArgumentError'
  }
}

const TEXT_CHARACTERS_MAX = 2_000
const WORDS_MAX = 40

const NUMBER = /^\d{1,5}(?:\.\d{1,3})?$/
const PAIR = /^[\w-]{1,64}=[\x20-\x7e]{0,1000}$/
const HEADER = /^[\w-]{1,64}:[\x20-\x7e]{0,1000}$/
const PLAIN_TEXT = /^[\x20-\x7e]{1,500}$/
const NAMES = /^[\w+*.,<>=: -]{1,200}$/

/**
 * The options that may be given, with what their values look like; `flag` has none. Left out are all that read or write
 * files, run programs, load plugins or configuration, or connect elsewhere.
 */
const OPTIONS: Readonly<Record<ResolverName, Readonly<Record<string, RegExp | 'flag'>>>> = {
  streamlink: {
    '--http-header': PAIR,
    '--http-cookie': PAIR,
    '--http-query-param': PAIR,
    '--http-timeout': NUMBER,
    '--http-no-ssl-verify': 'flag',
    '--retry-streams': NUMBER,
    '--retry-max': NUMBER,
    '--stream-types': NAMES,
    '--stream-sorting-excludes': NAMES,
    '--locale': /^[A-Za-z]{2}_[A-Za-z]{2}$/,
    '--twitch-low-latency': 'flag',
    '--twitch-disable-ads': 'flag',
    '--twitch-api-header': PAIR,
    '--twitch-access-token-param': PAIR,
  },
  ytdlp: {
    '--add-header': HEADER,
    '--user-agent': PLAIN_TEXT,
    '--referer': PLAIN_TEXT,
    '--extractor-args': PLAIN_TEXT,
    '--format-sort': NAMES,
    '--socket-timeout': NUMBER,
    '--retries': NUMBER,
    '--no-check-certificates': 'flag',
    '--geo-bypass-country': /^[A-Za-z]{2}$/,
    '--age-limit': NUMBER,
    '--username': PLAIN_TEXT,
    '--password': PLAIN_TEXT,
    '--video-password': PLAIN_TEXT,
  },
}

const QUALITY: Readonly<Record<ResolverName, { readonly pattern: RegExp; readonly initial: string }>> = {
  streamlink: { pattern: /^[\w+.,-]{1,100}$/, initial: 'best' },
  // One address for picture and sound together; a playlist has both.
  ytdlp: { pattern: /^[\w+/*.,:<>=?![\]()^$~&-]{1,300}$/, initial: 'b' },
}

const OPTION_OF_FORMAT = /^(?:-f|--format|--default-stream)$/

/**
 * Reads `resolver_args`: `best --http-timeout 10`, with quotes where a value has spaces. Throws ResolverArgumentError for
 * what is not on the list, and for values that are not of its form.
 */
export function parseResolverArguments(resolver: ResolverName, text: string): ResolverArguments {
  const allowed = OPTIONS[resolver]
  const { pattern, initial } = QUALITY[resolver]
  const words = splitWords(text)
  const options: string[] = []
  let quality = initial
  const takeQuality = (value: string): void => {
    if (!pattern.test(value) || value.startsWith('-')) throw new ResolverArgumentError(`${show(value)} is no quality`)
    quality = value
  }
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (!word.startsWith('-')) {
      takeQuality(word)
      continue
    }
    const [name, inline] = splitOnce(word)
    const rule = Object.hasOwn(allowed, name) ? allowed[name] : undefined
    if (OPTION_OF_FORMAT.test(name)) takeQuality(inline ?? words.shift() ?? '')
    else if (rule === undefined) {
      throw new ResolverArgumentError(`${show(name)} is not allowed; allowed are ${Object.keys(allowed).join(', ')}`)
    } else if (rule === 'flag') options.push(name)
    else {
      const value = inline ?? words.shift() ?? ''
      if (!rule.test(value)) throw new ResolverArgumentError(`the value of ${name} is not of the form it should have`)
      // Joined, so that a value can never be taken for an option.
      options.push(`${name}=${value}`)
    }
  }
  return { quality, options }
}

function splitOnce(word: string): readonly [string, string | undefined] {
  const at = word.indexOf('=')
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)]
}

/** Words as a shell would have them, of which only quotes and spaces are known here. */
function splitWords(text: string): string[] {
  if (text.length > TEXT_CHARACTERS_MAX) {
    throw new ResolverArgumentError(`there may be at most ${TEXT_CHARACTERS_MAX} characters of arguments`)
  }
  const words: string[] = []
  for (const [piece] of text.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*'|["'])+/g)) {
    const word = piece.replace(/"([^"]*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? '')
    if (/["']/.test(piece.replace(/"[^"]*"|'[^']*'/g, ''))) {
      throw new ResolverArgumentError('a quotation mark is not closed')
    }
    words.push(word)
  }
  if (words.length > WORDS_MAX) throw new ResolverArgumentError(`there may be at most ${WORDS_MAX} arguments`)
  return words
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 64))
}
