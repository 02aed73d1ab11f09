import { createHmac } from 'node:crypto'

/**
 * The value of `X-Holdfast-Signature`: `t=<unix seconds>,v1=<hex>`, where v1 is the HMAC-SHA256 (RFC 2104) of
 * `<unix seconds>.<body>` under the webhook's secret. The time is part of what is signed, so that a receiver can refuse
 * an old request that somebody plays back.
 */
export function webhookSignature(secret: string, unixSeconds: number, body: string): string {
  const digest = createHmac('sha256', secret).update(`${unixSeconds}.${body}`).digest('hex')
  return `t=${unixSeconds},v1=${digest}`
}
