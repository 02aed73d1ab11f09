import { HoldfastError } from '../../../lib/errors.ts'
import { forgetOldest } from '../../../lib/forget-oldest.ts'
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { ByteRange } from '../../../hls/playlist.ts'
import { EXTENSION_OF, parseRecipe, recipeText } from '../transmux/recipe.ts'
import type { Recipe } from '../transmux/recipe.ts'
import { spanned } from '../transmux/segment-maker.ts'
import type { RawSegment } from '../transmux/segment-maker.ts'
import type { SourceAccess } from '../upstream/hls-session.ts'

/** What a reference leads to: media passes as it is, `playlist` and `assets` are rewritten again. */
export type ReferenceKind = 'segment' | 'part' | 'map' | 'key' | 'data' | 'playlist' | 'assets'

/** What one of our names stands for. */
export interface Reference {
  readonly kind: ReferenceKind
  /** The span that named it: one run of one source. Names of two spans differ even where their addresses do not. */
  readonly span: number
  readonly candidateId: string
  /** Absolute, http or https. */
  readonly url: string
  readonly byteRange: ByteRange | undefined
  /** What it is made into; undefined: it is passed on as it is. */
  readonly recipe?: Recipe | undefined
}

/** The request for what a name stands for, as its source has it. */
export function rawRequest(
  { span, url, byteRange }: Pick<Reference, 'span' | 'url' | 'byteRange'>,
  session: SourceAccess,
): RawSegment {
  return { session, span, url: spanned(url, span), ...(byteRange === undefined ? {} : { byteRange }) }
}

/** The answer to whoever asks for what is none of our names. */
export function notNamed(): HoldfastError {
  return new HoldfastError('hls_not_found', 'No playlist of this stream names that')
}

const LETTERS = {
  segment: 's',
  part: 'p',
  map: 'm',
  key: 'k',
  data: 'd',
  playlist: 'l',
  assets: 'a',
} as const satisfies Record<ReferenceKind, string>

const KINDS = new Map(Object.entries(LETTERS).map(([kind, letter]) => [letter as string, kind as ReferenceKind]))

/** Longer addresses cannot be named: a request line has to hold the name. */
export const REFERENCE_URL_LENGTH_MAX = 8_192
const TOKEN_LENGTH_MAX = 12_288
/** An address with all that its recipe names. */
const PLAIN_BYTES_MAX = 9_000
/** Names that many players ask for are opened once: a playlist's worth of them, and some. */
const OPENED_MAX = 128
const IV_BYTES = 12
const TAG_BYTES = 16
const NAME = /^([a-z])\/([A-Za-z0-9_-]+)\.([a-z0-9]{2,4})$/
/** What may stand at the end of a name; anything else becomes what players know of its kind. */
const EXTENSIONS = new Set(['ts', 'm4s', 'mp4', 'm4v', 'm4a', 'cmfv', 'cmfa', 'aac', 'mp3', 'ac3', 'ec3', 'vtt'])
const PLAIN_EXTENSIONS = {
  segment: 'ts',
  part: 'ts',
  map: 'mp4',
  key: 'key',
  data: 'bin',
  playlist: 'm3u8',
  assets: 'json',
} as const satisfies Record<ReferenceKind, string>

/**
 * The names under which a stream's playlists refer to what its sources have. A name is the address itself, encrypted and
 * authenticated (AES-256-GCM; the IV is a keyed hash of the content, as in RFC 5297, so the same content has the same
 * name before and after a restart). Nobody can read one, change one, or make one, so nothing can be asked for that no
 * playlist named. Each stream has keys of its own.
 */
export class References {
  readonly #cipherKey: Buffer
  readonly #ivKey: Buffer
  /** The oldest first. */
  readonly #opened = new Map<string, Reference>()

  /** `secret`: any text that outlives restarts and only the gateway knows. */
  constructor(secret: string, streamId: string) {
    const derive = (purpose: string): Buffer =>
      Buffer.from(hkdfSync('sha256', secret, streamId, `holdfast hls reference ${purpose}`, 32))
    this.#cipherKey = derive('cipher')
    this.#ivKey = derive('iv')
  }

  /**
   * The name of something, relative to the stream: `s/….ts`. Undefined when its address is longer than
   * REFERENCE_URL_LENGTH_MAX.
   */
  seal(reference: Reference): string | undefined {
    if (reference.url.length > REFERENCE_URL_LENGTH_MAX) return undefined
    const plain = Buffer.from(plainText(reference))
    if (plain.length > PLAIN_BYTES_MAX) return undefined
    const iv = this.#ivOf(plain)
    const cipher = createCipheriv('aes-256-gcm', this.#cipherKey, iv)
    const sealed = Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    return `${LETTERS[reference.kind]}/${sealed.toString('base64url')}.${extensionOf(reference)}`
  }

  /** What a name stands for; undefined when it is none of ours, or not exactly as it was given. */
  open(name: string): Reference | undefined {
    const known = this.#opened.get(name)
    if (known !== undefined) return known
    const reference = this.#read(name)
    if (reference === undefined) return undefined
    this.#opened.set(name, reference)
    forgetOldest(this.#opened, OPENED_MAX)
    return reference
  }

  #read(name: string): Reference | undefined {
    const [, letter = '', token = '', extension] = NAME.exec(name) ?? []
    if (token === '' || token.length > TOKEN_LENGTH_MAX) return undefined
    const sealed = Buffer.from(token, 'base64url')
    if (sealed.length <= IV_BYTES + TAG_BYTES || sealed.toString('base64url') !== token) return undefined
    const plain = this.#decrypted(sealed)
    const reference = plain === undefined ? undefined : parseReference(plain.toString('utf8'))
    if (reference === undefined || reference.kind !== KINDS.get(letter)) return undefined
    return extensionOf(reference) === extension ? reference : undefined
  }

  #decrypted(sealed: Buffer): Buffer | undefined {
    const iv = sealed.subarray(0, IV_BYTES)
    const tag = sealed.subarray(-TAG_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', this.#cipherKey, iv, { authTagLength: TAG_BYTES })
    decipher.setAuthTag(tag)
    try {
      const plain = Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()])
      return timingSafeEqual(this.#ivOf(plain), iv) ? plain : undefined
    } catch {
      return undefined
    }
  }

  #ivOf(plain: Buffer): Buffer {
    return createHmac('sha256', this.#ivKey).update(plain).digest().subarray(0, IV_BYTES)
  }
}

/** Stands behind the letter where a line with a recipe comes before the address. */
const MADE = '*'

function plainText({ kind, span, candidateId, url, byteRange, recipe }: Reference): string {
  const range = byteRange === undefined ? '' : `${byteRange.offset}+${byteRange.length}`
  const letter = LETTERS[kind]
  const lines = recipe === undefined ? [letter] : [`${letter}${MADE}`]
  lines.push(String(span), candidateId, range)
  if (recipe !== undefined) lines.push(recipeText(recipe))
  return [...lines, url].join('\n')
}

function parseReference(text: string): Reference | undefined {
  const [letter = '', span = '', candidateId = '', range = '', ...rest] = text.split('\n')
  const kind = KINDS.get(letter.slice(0, 1))
  const recipe = letter.endsWith(MADE) ? parseRecipe(rest.shift() ?? '') : undefined
  const [, offset, length] = /^(\d+)\+(\d+)$/.exec(range) ?? []
  const url = rest.join('\n')
  if (kind === undefined || !/^https?:/.test(url)) return undefined
  const byteRange = offset === undefined ? undefined : { offset: Number(offset), length: Number(length) }
  const reference = { kind, span: Number(span), candidateId, url, byteRange }
  return recipe === undefined ? reference : { ...reference, recipe }
}

/** Players look at it: some refuse what is not called like media. */
function extensionOf({ kind, url, recipe }: Reference): string {
  if (recipe !== undefined && recipe.to !== 'pids') return EXTENSION_OF[recipe.to]
  if (kind !== 'segment' && kind !== 'part' && kind !== 'map') return PLAIN_EXTENSIONS[kind]
  const path = url.replace(/[?#].*$/s, '')
  const given = /\.([A-Za-z0-9]{2,6})$/.exec(path)?.[1]?.toLowerCase() ?? ''
  return EXTENSIONS.has(given) && given.length <= 4 ? given : PLAIN_EXTENSIONS[kind]
}
