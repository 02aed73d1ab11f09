import { settings } from '../src/config/settings.ts'
import { conditionFacts } from '../src/streams/detect/conditions.ts'

/** docs/DETECTION.md: the table of conditions between words that are written here. */
export function detectionPage(): string {
  const rows = Object.entries(conditionFacts).map(
    ([condition, { defaultAction, doc }]) => `| \`${condition}\` | ${defaultAction} | ${doc} |`,
  )
  const variables = settings.filter(([, { group }]) => group === 'detection').map(([, { name }]) => `\`${name}\``)
  return `<!-- Made from the code by \`npm run docs\`; edits here are lost. -->

# Detection

A connection can be open, and bytes can come, while nobody sees a picture. Holdfast looks into MPEG-TS as it passes,
without decoding it, for the conditions below. One core looks through some 3 GB a second (\`node bench/detect.ts\`), so a
source of 8 Mbit/s takes a few hundredths of a percent of it, paid once however many viewers there are. Other containers
are watched for silence only.

| condition | default | when |
| --- | --- | --- |
${rows.join('\n')}

Silence of the socket is \`stalled\`; its limit follows how bursty the source has been
(\`LIVE_STALL_FLOOR_SECONDS\` to \`LIVE_CHUNK_TIMEOUT_SECONDS\`). Padding and tables without media count as silence, since
that is what a relay sends that has lost its own source.

## What happens

- \`fail\`: the source counts as failed, with the condition as the \`reason\` of the switch, its evidence in
  \`switch_completed\`, and the time since the condition began as \`detection_ms\`.
- \`warn\`: a \`source_warning\` event and a log line, at most once a minute for each condition of a connection.
- \`off\`: nothing.

The default of the gateway is set by ${variables.slice(0, 1).join('')} and its like, see
[CONFIGURATION.md](CONFIGURATION.md#detection). A stream has its own choice in \`detect\`; it takes effect at once and is
echoed in the stream's object:

\`\`\`bash
curl -X POST http://localhost:8085/streams -H 'Content-Type: application/json' -d '{
  "url": "http://primary.example/live.ts",
  "failover_urls": ["http://backup.example/live.ts"],
  "detect": {"no_audio": "warn", "looping": "fail", "low_bitrate": "off"}
}'
\`\`\`

## Why it does not cry wolf

- Intervals are measured in media time: the PCR, or the timestamps of whatever still comes when the PCR is gone. A source
  that delivers ten seconds at once every ten seconds looks the same as a smooth one. Only silence, speed, the absolute
  bit rate and clocks that all stand still are measured on the wall clock, and there over whole bursts.
- Limits follow what the source has shown: one that sends one clock reference or one PAT for each group of pictures, or a
  picture a second, is measured by that. Until three intervals are known the limits are several times longer.
- A step of the source's clock counts for a second at most, so a source that skipped ten seconds has not been silent for
  ten.
- What a source never had is told, not held against it: audio that is listed and never sent, scrambling from the start,
  keyframes that never came. Video that is listed and never sent fails the source only while another is left.
- Time during which reading was paused for slow viewers is not the source's.

## When there is nowhere to go

A source is left for a condition that is not a loss of media only while the stream has another source that is not known
to be unhealthy (or a resolver). Otherwise it is told and the source stays: a picture with errors is better than none. Video
that stopped and clocks that stand still are losses; there even the only source is opened again.

## Compatible bit rate monitoring

\`ENABLE_BITRATE_MONITORING\` and its four settings are those of m3u-proxy. The bytes of video and audio are counted, without
padding; an interval ends with the first arrival after it. Below the minimum in \`BITRATE_FAILOVER_THRESHOLD\` intervals in a row the
source fails with \`low_bitrate\`, unless that is \`off\`.
`
}
