import { withoutAttributes } from '../../../hls/attribute-list.ts'
import type { AttributeList } from '../../../hls/attribute-list.ts'
import type { Key, MasterPlaylist } from '../../../hls/playlist.ts'
import { withoutAddress } from '../../../hls/rewrite.ts'
import { isFetchable } from '../../../hls/uri.ts'

/** One media playlist of ours, and what the master playlist said of it when it was first seen. Plain JSON data. */
export interface Slot {
  readonly kind: 'variant' | 'rendition' | 'trick_play'
  readonly attributes: AttributeList
}

/**
 * The master playlist that players keep however often the source changes. Plain JSON data; its URIs are the numbers of
 * slots.
 */
export interface OutputMaster {
  readonly slots: readonly Slot[]
  readonly playlist: MasterPlaylist
}

/** A master playlist with more media playlists is cut there: each may have to be followed. */
export const SLOTS_MAX = 128

const NO_SLOT = ''

/**
 * Makes the output's master playlist out of the first source's. `nameKey` and `nameData` give a name of ours to what it
 * refers to besides playlists. Content steering is left out: it would send players to the origin.
 */
export function outputMaster(
  master: MasterPlaylist,
  nameKey: (uri: string) => string,
  nameData: (uri: string) => string,
): OutputMaster {
  const slots: Slot[] = []
  const numbers = new Map<string, number>()
  const slotOf = (uri: string, kind: Slot['kind'], attributes: AttributeList): string => {
    const known = numbers.get(uri)
    if (known !== undefined) return String(known)
    if (slots.length >= SLOTS_MAX) return NO_SLOT
    numbers.set(uri, slots.length)
    slots.push({ kind, attributes })
    return String(slots.length - 1)
  }
  const variants = master.variants.map(({ uri, attributes }) => ({
    uri: slotOf(uri, 'variant', attributes),
    attributes: withoutPathway(attributes),
  }))
  const renditions = master.renditions.map(({ uri, attributes }) => ({
    uri: uri === undefined ? undefined : slotOf(uri, 'rendition', attributes),
    attributes,
  }))
  const trickPlayVariants = master.trickPlayVariants
    .filter(({ tag }) => tag === 'EXT-X-I-FRAME-STREAM-INF')
    .map(({ tag, uri, attributes }) => ({ tag, uri: slotOf(uri, 'trick_play', attributes), attributes }))
  const key = (each: Key): Key => ({ ...each, uri: each.uri === undefined ? undefined : nameKey(each.uri) })
  return {
    slots,
    playlist: {
      ...master,
      defines: [],
      contentSteering: undefined,
      otherTags: master.otherTags.flatMap((line) => withoutAddress(line) ?? []),
      variants: variants.filter(({ uri }) => uri !== NO_SLOT),
      renditions: renditions.filter(({ uri }) => uri !== NO_SLOT),
      trickPlayVariants: trickPlayVariants.filter(({ uri }) => uri !== NO_SLOT),
      sessionKeys: master.sessionKeys.map((each) =>
        each.uri === undefined || !isFetchable(each.uri) ? each : key(each),
      ),
      sessionData: master.sessionData.map((each) =>
        each.uri === undefined ? each : { ...each, uri: nameData(each.uri) },
      ),
    },
  }
}

/** Of content steering; without it a pathway means nothing. */
function withoutPathway(attributes: AttributeList): AttributeList {
  return withoutAttributes(attributes, ['PATHWAY-ID', 'STABLE-VARIANT-ID'])
}
