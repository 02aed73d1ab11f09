/** Dates of playlists (ISO 8601, RFC 8216 §4.3.2.6), without the clock and the locale of the machine. */

const DATE_TIME =
  /^\s*(\d{4})-?(\d\d)-?(\d\d)[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,12}))?)?\s*(?:Z|z|([+-])(\d\d):?(\d\d)?)?\s*$/

const DAY_MS = 86_400_000

/**
 * Milliseconds since 1970 UTC, with fractions of them; undefined when it is no date. A date without a time zone is read
 * as UTC: the RFC wants one, and servers forget it.
 */
export function parseDateTime(text: string): number | undefined {
  const match = DATE_TIME.exec(text)
  if (match === null) return undefined
  const number = (index: number) => Number(match[index] ?? 0)
  const [year, month, day] = [number(1), number(2), number(3)]
  if (month < 1 || month > 12 || day < 1 || day > 31 || number(4) > 24 || number(5) > 59 || number(6) > 60) {
    return undefined
  }
  const seconds = number(4) * 3600 + number(5) * 60 + number(6)
  const zoneMinutes = (number(9) * 60 + number(10)) * (match[8] === '-' ? -1 : 1)
  const fractionMs = Number(`0.${match[7] ?? '0'}`) * 1000
  return daysSince1970(year, month, day) * DAY_MS + seconds * 1000 + fractionMs - zoneMinutes * 60_000
}

/** A date as playlists have it, in UTC and to the millisecond: 2026-01-31T09:05:00.040Z. */
export function formatDateTime(ms: number): string {
  const whole = Math.round(ms)
  const days = Math.floor(whole / DAY_MS)
  const { year, month, day } = dateOf(days)
  const ofDay = whole - days * DAY_MS
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  const date = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`
  const time = `${two(ofDay / 3_600_000)}:${two((ofDay / 60_000) % 60)}:${two((ofDay / 1000) % 60)}`
  return `${date}T${time}.${String(ofDay % 1000).padStart(3, '0')}Z`
}

/** Proleptic Gregorian calendar; years begin in March so that the leap day is the last. */
function daysSince1970(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

function dateOf(days: number): { readonly year: number; readonly month: number; readonly day: number } {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const month = shiftedMonth + (shiftedMonth < 10 ? 3 : -9)
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
  }
}
