const hostWithPort = /^(?:[A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/

/** Whether the text is a name or address with an optional port, in the characters that no two readers dispute. */
export function isHost(text: string): boolean {
  return hostWithPort.test(text)
}
