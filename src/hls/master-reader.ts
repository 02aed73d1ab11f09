import { attributeText, withoutAttributes } from './attribute-list.ts'
import type { AttributeList } from './attribute-list.ts'
import type { TagLine } from './playlist-text.ts'
import { PlaylistError } from './playlist.ts'
import type {
  ContentSteering,
  Key,
  MasterPlaylist,
  Rendition,
  SessionData,
  Start,
  TrickPlayVariant,
  Variant,
} from './playlist.ts'
import { keyOf, startOf } from './tag-values.ts'
import type { Variables } from './variables.ts'

/** Tags of a master playlist; each of them may name another playlist. */
const ENTRIES_MAX = 1_000

/** Reads the lines of a master playlist (§4.3.4). */
export class MasterReader {
  readonly #variables: Variables
  readonly #variants: Variant[] = []
  readonly #trickPlayVariants: TrickPlayVariant[] = []
  readonly #renditions: Rendition[] = []
  readonly #sessionKeys: Key[] = []
  readonly #sessionData: SessionData[] = []
  readonly #otherTags: string[] = []
  #contentSteering: ContentSteering | undefined
  #version = 1
  #isIndependentSegments = false
  #start: Start | undefined
  #entries = 0
  /** Of the EXT-X-STREAM-INF whose URI is still to come. */
  #streamInf: AttributeList | undefined

  constructor(variables: Variables) {
    this.#variables = variables
  }

  /** @throws PlaylistError for a tag that must not be wrong. */
  tag(line: TagLine): void {
    this.#entries += 1
    if (this.#entries > ENTRIES_MAX)
      throw new PlaylistError(line.number, `more than ${ENTRIES_MAX} tags in a master playlist`)
    const attributes = () => this.#variables.attributes(line.value, line.number)
    switch (line.name) {
      case 'EXT-X-VERSION':
        this.#version = Number(/^\d{1,3}$/.exec(line.value)?.[0] ?? 1)
        return
      case 'EXT-X-INDEPENDENT-SEGMENTS':
        this.#isIndependentSegments = true
        return
      case 'EXT-X-START':
        this.#start = startOf(attributes())
        return
      case 'EXT-X-STREAM-INF':
        this.#streamInf = withoutUri(attributes())
        return
      case 'EXT-X-MEDIA': {
        const all = attributes()
        this.#renditions.push({ uri: uriOf(all), attributes: withoutUri(all) })
        return
      }
      case 'EXT-X-SESSION-KEY': {
        const key = keyOf(attributes(), line.number)
        if (key !== undefined) this.#sessionKeys.push(key)
        return
      }
      default:
        this.#rareTag(line, attributes)
    }
  }

  #rareTag(line: TagLine, attributes: () => AttributeList): void {
    switch (line.name) {
      case 'EXT-X-I-FRAME-STREAM-INF':
      case 'EXT-X-IMAGE-STREAM-INF': {
        const all = attributes()
        const uri = uriOf(all)
        if (uri !== undefined) this.#trickPlayVariants.push({ tag: line.name, uri, attributes: withoutUri(all) })
        return
      }
      case 'EXT-X-SESSION-DATA': {
        const all = attributes()
        this.#sessionData.push({ uri: uriOf(all), attributes: withoutUri(all) })
        return
      }
      case 'EXT-X-CONTENT-STEERING': {
        const all = attributes()
        const serverUri = attributeText(all, 'SERVER-URI')
        if (serverUri === undefined) return
        this.#contentSteering = { serverUri, attributes: withoutAttributes(all, ['SERVER-URI']) }
        return
      }
      default:
        this.#otherTags.push(line.text)
    }
  }

  /** @throws PlaylistError for a URI that no EXT-X-STREAM-INF announced. */
  uri(uri: string, number: number): void {
    if (this.#streamInf === undefined) throw new PlaylistError(number, 'a URI without EXT-X-STREAM-INF')
    this.#variants.push({ uri, attributes: this.#streamInf })
    this.#streamInf = undefined
  }

  /** @throws PlaylistError when there is nothing to play. */
  end(): MasterPlaylist {
    if (this.#variants.length === 0) throw new PlaylistError(1, 'a master playlist without variants')
    return {
      kind: 'master',
      version: this.#version,
      isIndependentSegments: this.#isIndependentSegments,
      start: this.#start,
      defines: this.#variables.defines,
      otherTags: this.#otherTags,
      variants: this.#variants,
      trickPlayVariants: this.#trickPlayVariants,
      renditions: this.#renditions,
      sessionKeys: this.#sessionKeys,
      sessionData: this.#sessionData,
      contentSteering: this.#contentSteering,
    }
  }
}

function uriOf(attributes: AttributeList): string | undefined {
  return attributeText(attributes, 'URI')
}

function withoutUri(attributes: AttributeList): AttributeList {
  return withoutAttributes(attributes, ['URI'])
}
