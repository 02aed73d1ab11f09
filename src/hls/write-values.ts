/** Seconds as playlists have them: decimal, to the microsecond, without zeros at the end (§4.2). */
export function formatSeconds(valueS: number): string {
  const text = valueS.toFixed(6)
  return text.replace(/\.?0+$/, '') || '0'
}

/** A text that stays in its line, whatever it holds. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]/g, '')
}
