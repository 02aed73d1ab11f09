import { attributeNumber, attributeText, isYes } from '../../../hls/attribute-list.ts'
import type { MasterPlaylist, Rendition, Variant } from '../../../hls/playlist.ts'

/** What of a master playlist is read to make one programme of it. */
export interface VariantChoice {
  readonly variant: Variant
  /** An audio rendition that is not muxed into the variant. */
  readonly audio: (Rendition & { readonly uri: string }) | undefined
}

/** The best variant, and its default audio. Undefined when there is none. */
export function chooseVariant(
  master: MasterPlaylist,
  bandwidthMax = Number.POSITIVE_INFINITY,
): VariantChoice | undefined {
  const fitting = master.variants.filter((variant) => bandwidthOf(variant) <= bandwidthMax)
  // Better too much than nothing.
  const candidates = fitting.length > 0 ? fitting : master.variants.toSorted(byBandwidth).slice(0, 1)
  const variant = candidates.toSorted(byBandwidth).at(-1)
  return variant === undefined ? undefined : { variant, audio: audioOf(master, variant) }
}

function bandwidthOf({ attributes }: Variant): number {
  return attributeNumber(attributes, 'BANDWIDTH') ?? 0
}

/** Of equals the first in the playlist comes last: it is the one that its author prefers. */
function byBandwidth(left: Variant, right: Variant): number {
  return bandwidthOf(left) - bandwidthOf(right) || -1
}

/** One without a URI is in the variant's own segments (RFC 8216 §4.3.4.2.1), and so is one of the variant's own address. */
function audioOf(master: MasterPlaylist, variant: Variant): VariantChoice['audio'] {
  const group = attributeText(variant.attributes, 'AUDIO')
  if (group === undefined) return undefined
  const members = master.renditions.filter(
    ({ attributes }) =>
      attributeText(attributes, 'TYPE')?.toUpperCase() === 'AUDIO' && attributeText(attributes, 'GROUP-ID') === group,
  )
  const chosen =
    members.find(({ attributes }) => isYes(attributes, 'DEFAULT')) ??
    members.find(({ attributes }) => isYes(attributes, 'AUTOSELECT')) ??
    members[0]
  if (chosen?.uri === undefined || chosen.uri === variant.uri) return undefined
  return { ...chosen, uri: chosen.uri }
}
