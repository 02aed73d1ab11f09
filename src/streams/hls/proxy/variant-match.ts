import { attributeNumber, attributeText, isYes } from '../../../hls/attribute-list.ts'
import type { AttributeList } from '../../../hls/attribute-list.ts'
import type { MasterPlaylist, Rendition, Variant } from '../../../hls/playlist.ts'
import type { WantedStreams } from '../transmux/recipe.ts'
import type { OutputMaster, Slot } from './output-master.ts'

/** How much worse a variant of another codec is than one of half or double the picture. */
const CODEC_COST = 4
const RANK_COST = 0.5
const SOUND_COST = 8

/**
 * The URI in another source's master playlist that a slot is fed from: for a variant the one that is nearest in codecs,
 * picture and bandwidth, for a rendition the one of its type, language and name. Undefined when there is none, as with
 * subtitles that only one source has. Without an output master there is one slot, which is fed from the best variant
 * that has its sound with it.
 */
export function matchSlot(
  output: OutputMaster | undefined,
  slotNumber: number,
  master: MasterPlaylist,
): string | undefined {
  if (output === undefined) return bestVariant(master)?.uri
  const slot = output.slots[slotNumber]
  if (slot === undefined) return undefined
  switch (slot.kind) {
    case 'variant':
      return nearest(output, slot, master)?.uri
    case 'rendition':
      return matchRendition(output, slot, master)
    case 'trick_play':
      return matchTrickPlay(slot, master)
    default:
      return slot.kind satisfies never
  }
}

/** The variant with the highest bandwidth, of those whose sound is not in another playlist if there are any. */
function bestVariant(master: MasterPlaylist): Variant | undefined {
  const groups = separateSounds(master)
  const muxed = master.variants.filter(({ attributes }) => !isIn(groups, attributes))
  const among = muxed.length > 0 ? muxed : master.variants
  return among.toSorted((left, right) => bandwidthOf(right.attributes) - bandwidthOf(left.attributes))[0]
}

function nearest(output: OutputMaster, slot: Slot, master: MasterPlaylist): Variant | undefined {
  const wantsSeparate = isIn(separateSounds(output.playlist), slot.attributes)
  const groups = separateSounds(master)
  const ownRank = rankOf(slot.attributes, bandwidthsOf(output.slots.filter(({ kind }) => kind === 'variant')))
  const bandwidths = bandwidthsOf(master.variants)
  let best: { readonly variant: Variant; readonly cost: number } | undefined
  for (const variant of master.variants) {
    const { attributes } = variant
    // Pictures alone where sound is expected with them leave players in silence; the other way round they manage.
    const isSilent = isIn(groups, attributes) && !wantsSeparate
    const cost =
      pictureCost(slot.attributes, attributes) +
      (familiesOf(slot.attributes) === familiesOf(attributes) ? 0 : CODEC_COST) +
      RANK_COST * Math.abs(ownRank - rankOf(attributes, bandwidths)) +
      (isSilent ? SOUND_COST : 0)
    if (best === undefined || cost < best.cost) best = { variant, cost }
  }
  return best?.variant
}

function matchRendition(output: OutputMaster, slot: Slot, master: MasterPlaylist): string | undefined {
  const type = attributeText(slot.attributes, 'TYPE')
  const candidates = master.renditions.filter(
    (each) => each.uri !== undefined && attributeText(each.attributes, 'TYPE') === type,
  )
  const found = candidates.toSorted((left, right) => likeness(right, slot) - likeness(left, slot))[0]
  if (found !== undefined) {
    // Subtitles in another language are worse than none.
    return type === 'SUBTITLES' && !isSameLanguage(found, slot) ? undefined : found.uri
  }
  // Its sound is in its variants: players take it from there.
  if (type !== 'AUDIO') return undefined
  const firstVariant = output.slots.find(({ kind }) => kind === 'variant')
  return firstVariant === undefined ? undefined : nearest(output, firstVariant, master)?.uri
}

function matchTrickPlay(slot: Slot, master: MasterPlaylist): string | undefined {
  const candidates = master.trickPlayVariants.filter(({ tag }) => tag === 'EXT-X-I-FRAME-STREAM-INF')
  const cost = ({ attributes }: { readonly attributes: AttributeList }) => pictureCost(slot.attributes, attributes)
  return candidates.toSorted((left, right) => cost(left) - cost(right))[0]?.uri
}

function likeness({ attributes }: Rendition, slot: Slot): number {
  const isSame = (name: string) => attributeText(attributes, name) === attributeText(slot.attributes, name)
  return (
    (isSame('LANGUAGE') ? 8 : 0) +
    (isSame('NAME') ? 4 : 0) +
    (isSame('CHARACTERISTICS') ? 2 : 0) +
    (isYes(attributes, 'DEFAULT') ? 1 : 0)
  )
}

function isSameLanguage({ attributes }: Rendition, slot: Slot): boolean {
  return attributeText(attributes, 'LANGUAGE') === attributeText(slot.attributes, 'LANGUAGE')
}

/** What of a programme players expect in the segments of a slot; undefined where those are no media of pictures or sound. */
export function streamsOf(output: OutputMaster | undefined, slotNumber: number): WantedStreams | undefined {
  const slot = output?.slots[slotNumber]
  if (output === undefined || slot === undefined) return 'all'
  if (slot.kind === 'variant') return isIn(separateSounds(output.playlist), slot.attributes) ? 'video' : 'all'
  return slot.kind === 'rendition' && attributeText(slot.attributes, 'TYPE') === 'AUDIO' ? 'audio' : undefined
}

/** Groups of sound that is in playlists of its own: none of a group comes with the pictures (RFC 8216 §4.3.4.2.1). */
function separateSounds({ renditions }: Pick<MasterPlaylist, 'renditions'>): ReadonlySet<string> {
  const groups = new Set<string>()
  const withPictures = new Set<string>()
  for (const { uri, attributes } of renditions) {
    const group = attributeText(attributes, 'GROUP-ID')
    if (group === undefined || attributeText(attributes, 'TYPE') !== 'AUDIO') continue
    groups.add(group)
    if (uri === undefined) withPictures.add(group)
  }
  for (const group of withPictures) groups.delete(group)
  return groups
}

function isIn(groups: ReadonlySet<string>, attributes: AttributeList): boolean {
  return groups.has(attributeText(attributes, 'AUDIO') ?? '')
}

/** How far two pictures are apart: 1 for half or double, in pixels or, where those are not told, in bits. */
function pictureCost(left: AttributeList, right: AttributeList): number {
  const [leftPixels, rightPixels] = [pixelsOf(left), pixelsOf(right)]
  const pixels = leftPixels === undefined || rightPixels === undefined ? 0 : octaves(leftPixels, rightPixels)
  const bits = octaves(bandwidthOf(left), bandwidthOf(right))
  return leftPixels === undefined || rightPixels === undefined ? bits : pixels + bits / 4
}

function octaves(left: number, right: number): number {
  return left > 0 && right > 0 ? Math.abs(Math.log2(left / right)) : 0
}

function bandwidthOf(attributes: AttributeList): number {
  return attributeNumber(attributes, 'BANDWIDTH') ?? 0
}

function pixelsOf(attributes: AttributeList): number | undefined {
  const [, width, height] = /^(\d+)x(\d+)$/i.exec(attributeText(attributes, 'RESOLUTION') ?? '') ?? []
  const pixels = Number(width) * Number(height)
  return pixels > 0 ? pixels : undefined
}

function bandwidthsOf(all: readonly { readonly attributes: AttributeList }[]): readonly number[] {
  return all.map(({ attributes }) => bandwidthOf(attributes))
}

/** Where its bandwidth stands among the others: 0 the lowest, 1 the highest. */
function rankOf(attributes: AttributeList, all: readonly number[]): number {
  const own = bandwidthOf(attributes)
  const lower = all.filter((each) => each < own).length
  return all.length < 2 ? 0 : lower / (all.length - 1)
}

/** `avc1,mp4a`: the first parts of the codecs, in order; empty when they are not told. */
function familiesOf(attributes: AttributeList): string {
  const codecs = attributeText(attributes, 'CODECS') ?? ''
  return codecs
    .split(',')
    .map((codec) => codec.trim().split('.')[0] ?? '')
    .filter((family) => family !== '')
    .toSorted()
    .join(',')
}
