import { attributeNumber, attributeText, isYes } from './attribute-list.ts'
import type { AttributeList } from './attribute-list.ts'
import type { MasterPlaylist, Rendition } from './playlist.ts'
import { violation } from './violation.ts'
import type { Violation } from './violation.ts'

/** What a variant's attribute names, and the TYPE of the renditions in that group (RFC 8216 §4.3.4.2). */
const GROUPS = [
  ['AUDIO', 'AUDIO'],
  ['VIDEO', 'VIDEO'],
  ['SUBTITLES', 'SUBTITLES'],
  ['CLOSED-CAPTIONS', 'CLOSED-CAPTIONS'],
] as const

/** What a master playlist must satisfy (RFC 8216 §4.3.4). */
export function checkMasterPlaylist(master: MasterPlaylist): Violation[] {
  return [...variantRules(master), ...renditionRules(master.renditions), ...sessionRules(master)]
}

function variantRules({ variants, trickPlayVariants, renditions }: MasterPlaylist): Violation[] {
  const found: Violation[] = []
  for (const { uri, attributes } of [...variants, ...trickPlayVariants]) {
    const complain = (message: string) =>
      found.push(violation('variant', 'RFC 8216 §4.3.4.2', `variant ${uri}`, message))
    const bandwidth = attributeNumber(attributes, 'BANDWIDTH')
    if (bandwidth === undefined || !Number.isSafeInteger(bandwidth) || bandwidth <= 0) complain('it has no BANDWIDTH')
    const average = attributeNumber(attributes, 'AVERAGE-BANDWIDTH') ?? 0
    if (bandwidth !== undefined && average > bandwidth) complain('AVERAGE-BANDWIDTH is above BANDWIDTH')
    const resolution = attributeText(attributes, 'RESOLUTION')
    if (resolution !== undefined && !/^\d+x\d+$/.test(resolution)) complain(`RESOLUTION is ${resolution}`)
    for (const [name, type] of GROUPS) {
      const group = attributeText(attributes, name)
      if (group === undefined || (name === 'CLOSED-CAPTIONS' && group === 'NONE')) continue
      const isThere = renditions.some((each) => textOf(each, 'GROUP-ID') === group && textOf(each, 'TYPE') === type)
      if (!isThere) complain(`there is no ${type} group ${group}`)
    }
  }
  return found
}

function renditionRules(renditions: readonly Rendition[]): Violation[] {
  const found: Violation[] = []
  const names = new Set<string>()
  const defaults = new Set<string>()
  for (const rendition of renditions) {
    const [type, group, name] = ['TYPE', 'GROUP-ID', 'NAME'].map((each) => textOf(rendition, each))
    const complain = (message: string) =>
      found.push(violation('rendition', 'RFC 8216 §4.3.4.1', `rendition ${group} ${name}`, message))
    if (type === undefined || group === undefined || name === undefined) complain('without TYPE, GROUP-ID or NAME')
    const place = `${type} ${group}`
    if (names.has(`${place} ${name}`)) complain('its NAME stands twice in its group')
    names.add(`${place} ${name}`)
    if (isYes(rendition.attributes, 'DEFAULT')) {
      if (defaults.has(place)) complain('a second default in its group')
      defaults.add(place)
      if (textOf(rendition, 'AUTOSELECT') === 'NO') complain('DEFAULT without AUTOSELECT')
    }
    if (type === 'SUBTITLES' && rendition.uri === undefined) complain('subtitles without URI')
    if (type !== 'CLOSED-CAPTIONS') continue
    if (rendition.uri !== undefined) complain('closed captions with a URI')
    if (textOf(rendition, 'INSTREAM-ID') === undefined) complain('closed captions without INSTREAM-ID')
  }
  return found
}

function sessionRules({ sessionData }: MasterPlaylist): Violation[] {
  const seen = new Set<string>()
  return sessionData.flatMap((each) => {
    const id = textOf(each, 'DATA-ID')
    const place = `session data ${id}`
    const complaint = (message: string) => [violation('session-data', 'RFC 8216 §4.3.4.4', place, message)]
    if (id === undefined) return complaint('without DATA-ID')
    if ((each.uri === undefined) === (textOf(each, 'VALUE') === undefined)) return complaint('not one of VALUE and URI')
    const key = `${id} ${textOf(each, 'LANGUAGE')}`
    if (seen.has(key)) return complaint('twice for one LANGUAGE')
    seen.add(key)
    return []
  })
}

function textOf({ attributes }: { readonly attributes: AttributeList }, name: string): string | undefined {
  return attributeText(attributes, name)
}
