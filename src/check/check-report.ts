import { durationText, pidText } from '../mpegts/analyser/finding.ts'
import type { Finding, FoundPlace } from '../mpegts/analyser/finding.ts'
import type { AnalyserReport, ProgrammeReport, Spread, StreamReport } from '../mpegts/analyser/report.ts'
import { codecText, formatText } from '../mpegts/analyser/signature.ts'

/** The report for people, as lines. */
export function describeReport(report: AnalyserReport): readonly string[] {
  const lines = [headline(report)]
  for (const programme of report.programmes) lines.push('', ...describeProgramme(programme))
  const others = report.pids.filter(({ role }) => role === 'unreferenced' || role === 'null')
  if (others.length > 0) {
    const listed = others.map(({ pid, packets, role }) => `${pidText(pid)} ${role} (${countText(packets, 'packet')})`)
    lines.push('', `other PIDs: ${listed.slice(0, OTHERS_LISTED_MAX).join(', ')}`)
  }
  lines.push('', verdict(report), ...report.findings.flatMap(describeFinding))
  if (report.findingsDropped > 0) lines.push(`and ${countText(report.findingsDropped, 'more finding')}`)
  return lines
}

const OTHERS_LISTED_MAX = 16

function headline({ packets, packetBytes, bytes, durationMs, bitsPerSecond }: AnalyserReport): string {
  if (packets === 0) return countText(bytes, 'byte')
  const parts = [`${countText(packets, 'packet')} of ${packetBytes} bytes`]
  if (durationMs !== undefined) parts.push(durationText(durationMs))
  if (bitsPerSecond !== undefined) parts.push(rateText(bitsPerSecond))
  return parts.join(', ')
}

function describeProgramme(programme: ProgrammeReport): readonly string[] {
  const { programmeNumber, pmtPid, pcrPid, streams, skew } = programme
  const lines = [`programme ${programmeNumber}: PMT on ${pidText(pmtPid)}, PCR on ${pidText(pcrPid)}`]
  lines.push(...streams.flatMap(describeStream))
  if (skew !== undefined) {
    lines.push(`  audio arrives ${rangeText(skew.minMs, skew.maxMs)} ahead of video`)
  }
  return lines
}

function describeStream(stream: StreamReport): readonly string[] {
  const { pid, codec, language, format, bitsPerSecond, pesPackets, dtsStep, randomAccess, audio } = stream
  const head = [pidText(pid), codecText(codec), language, formatText(format)]
  const rate = bitsPerSecond === undefined ? '' : `, ${rateText(bitsPerSecond)}`
  const lines = [`  ${head.filter((part) => part !== undefined && part !== '').join(' ')}${rate}`]
  const facts = [countText(pesPackets, 'PES packet')]
  if (dtsStep !== undefined) facts.push(`DTS steps ${spreadText(dtsStep)}`)
  if (stream.decodeDelay !== undefined) facts.push(`DTS ahead of PCR ${spreadText(stream.decodeDelay)}`)
  lines.push(`    ${facts.join(', ')}`)
  if (audio !== undefined) {
    const frame = audio.frameMs === undefined ? '' : ` of ${durationText(audio.frameMs)}`
    const gaps = `${countText(audio.holes, 'hole')}, ${countText(audio.overlaps, 'overlap')}`
    lines.push(`    ${countText(audio.frames, 'frame')}${frame}, ${gaps}`)
  } else if (randomAccess.beginsWithOne !== undefined) {
    const interval = randomAccess.interval === undefined ? '' : ` every ${spreadText(randomAccess.interval)}`
    const begins = randomAccess.beginsWithOne ? 'begins with one' : 'does not begin with one'
    lines.push(`    ${countText(randomAccess.points, 'random access point')}${interval}, ${begins}`)
  }
  for (const { detail, mediaTimeMs } of stream.formatChanges) {
    lines.push(`    changes at ${mediaTimeMs === undefined ? '?' : durationText(mediaTimeMs)}: ${detail}`)
  }
  return lines
}

function verdict({ errors, warnings, notes }: AnalyserReport): string {
  const counted: readonly (readonly [number, string])[] = [
    [errors, 'error'],
    [warnings, 'warning'],
    [notes, 'note'],
  ]
  const parts = counted.filter(([count]) => count > 0).map(([count, what]) => countText(count, what))
  return parts.length === 0 ? 'nothing found' : `found ${parts.join(', ')}`
}

function describeFinding({ severity, name, clause, pid, count, worst, unit, places }: Finding): readonly string[] {
  const where = pid === undefined ? '' : ` on ${pidText(pid)}`
  const times = count === 1 ? '' : `, ${count} times`
  const most = worst === undefined || unit === undefined ? '' : `, worst ${measureText(worst, unit)}`
  const lines = [`  ${severity.padEnd(8)}${name}${where} (${clause})${times}${most}`]
  lines.push(...places.map((place) => `          ${placeText(place)}`))
  if (count > places.length) lines.push(`          and ${count - places.length} more`)
  return lines
}

function placeText({ packet, byteOffset, mediaTimeMs, detail }: FoundPlace): string {
  const time = mediaTimeMs === undefined ? '' : ` at ${durationText(mediaTimeMs)}`
  return `packet ${packet}${time} (byte ${byteOffset}): ${detail}`
}

function measureText(value: number, unit: 'ms' | 'packets' | 'bytes'): string {
  return unit === 'ms' ? durationText(value) : countText(value, unit.slice(0, -1))
}

function spreadText({ minMs, medianMs, maxMs }: Spread): string {
  return minMs === maxMs ? durationText(minMs) : `${durationText(medianMs)} (${rangeText(minMs, maxMs)})`
}

function rangeText(minMs: number, maxMs: number): string {
  return `${durationText(minMs)} to ${durationText(maxMs)}`
}

function countText(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function rateText(bitsPerSecond: number): string {
  return bitsPerSecond >= 1_000_000
    ? `${(bitsPerSecond / 1_000_000).toFixed(2)} Mbit/s`
    : `${Math.round(bitsPerSecond / 1_000)} kbit/s`
}
