import { settings } from '../src/config/settings.ts'
import { conditionFacts } from '../src/streams/detect/conditions.ts'
import { thresholds } from '../src/streams/detect/thresholds.ts'

/** docs/DETECTION.md: the table of conditions between words that are written here. */
export function detectionPage(): string {
  const rows = Object.entries(conditionFacts).map(
    ([condition, { defaultAction, doc }]) => `| \`${condition}\` | ${defaultAction} | ${doc} |`,
  )
  const intervals = Object.entries(thresholds).flatMap(([condition, limits]) =>
    'unlearntMs' in limits
      ? [`| \`${condition}\` | ${limits.holdMs / 1_000} s | ${limits.factor} | ${limits.unlearntMs / 1_000} s |`]
      : [],
  )
  const variables = settings.filter(([, { group }]) => group === 'detection').map(([, { name }]) => `\`${name}\``)
  return `<!-- Made from the code by \`npm run docs\`; edits here are lost. -->

# Detection

A connection can be open, and bytes can come, while nobody sees a picture. Holdfast looks into MPEG-TS as it passes for
the conditions below; only those marked as decoded need more than that, and are off by default. One core looks
through several gigabytes a second, so a source of 8 Mbit/s takes a few hundredths of a percent of it, paid once however many
viewers there are. Segments of HLS that is passed on are looked into one by one, fragmented MP4 too, for those that
[HLS.md](HLS.md#what-is-inside-segments) names. Other containers are watched for silence only.

| condition | default | when |
| --- | --- | --- |
${rows.join('\n')}

Silence of the socket is \`stalled\`; its limit follows how bursty the source has been
(\`LIVE_STALL_FLOOR_SECONDS\` to \`LIVE_CHUNK_TIMEOUT_SECONDS\`). Padding and tables without media count as silence, since
that is what a relay sends that has lost its own source.

All thresholds are in \`src/streams/detect/thresholds.ts\`, from which this page is made. Those that watch an interval:

| condition | never before | or this many times the longest interval | until three are known |
| --- | --- | --- | --- |
${intervals.join('\n')}

How long each takes in practice, and that none cries wolf, is measured in
[BENCHMARKS.md](BENCHMARKS.md#detection).

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

${DECODING}${JUDGEMENT}`
}

const DECODING = `## With decoding

\`black\`, \`frozen\` and \`silent\` are found by one ffmpeg process for each source that is monitored so. It runs at the
lowest priority and only while one of them is \`fail\` or \`warn\` for the stream. It is given the packets of the first
video and audio stream and decodes the sound, and of the pictures the keyframes, to 64 × 36 grey cells that are judged here.
That takes about 1 % of a core for 1080p at 8 Mbit/s.

- A keyframe-only decoder hands pictures on as late as the stream reorders them, counted in keyframes: usually two. With a
  keyframe every two seconds, black is told six to eight seconds after it began, whatever its threshold.
- H.264 with open groups of pictures cannot be decoded by keyframes alone. When hardly any picture comes out, the decoder is
  started again and decodes every picture that others refer to, which takes some 8 % of a core for 1080p. A source without
  keyframes is not judged.
- A mono channel counts 3 dB lower than it is, because ffmpeg spreads it over two.
- Pictures and sound are measured on their own timestamps and samples, so bursts do not matter. A decoder that is too slow
  loses packets (at most 4 MiB wait for it); nothing of the stream ever waits for it. One that dies is started again after
  one second, then two, up to a minute; one that says nothing for a minute is ended.
- At most \`DECODERS_MAX\` run at once. A source beyond that, or any without ffmpeg on the machine, is not monitored for
  these three; the log says so (\`decoders_full\`, \`decoder_not_found\`).
- None of them is a loss: the only source is told of and kept. A channel that shows a card, or none at all at night, is
  frozen or black by design: leave the condition off, or on \`warn\`.

\`enable_silence_detection\` of a stream, or \`ENABLE_SILENCE_DETECTION\`, switches \`silent\` on with m3u-proxy's thresholds
and action \`fail\`: once \`silence_monitoring_grace_period\` has passed, it is checked every \`silence_check_interval\` whether
the sound has been below \`silence_threshold_db\` for \`silence_duration\`. After \`silence_failover_threshold\` such checks in a
row the source fails, with \`silence_detected\` as the reason. These times are of media. A choice in \`detect\` comes before it.

`

const JUDGEMENT = `## Why it does not cry wolf

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
to be unhealthy, or to be no better (or a resolver). Otherwise it is told and the source stays: a picture with errors is
better than none. Video that stopped and clocks that stand still are losses; there even the only source is opened again.

A source that was left for a condition, on air or as a hot standby, is taken to have it still for a minute: nobody goes
there from the same condition, or from a lesser one (further down in the table), while there is anybody else. A short look would not see
it. If it fails of one again once it has had another chance, it is taken so for two minutes, then four, up to a quarter of an
hour. So a stream whose sources all show the same card stays where it is, and tries the others now and then.

## Compatible bit rate monitoring

\`ENABLE_BITRATE_MONITORING\` and its four settings are those of m3u-proxy. The bytes of video and audio are counted, without
padding; an interval ends with the first arrival after it. Below the minimum in \`BITRATE_FAILOVER_THRESHOLD\` intervals in a row the
source fails with \`low_bitrate\`, unless that is \`off\`.
`
