import { boolean, integer, seconds } from './setting.ts'

export const hls = {
  hlsSegmentMs: seconds(
    {
      name: 'HLS_SEGMENT_SECONDS',
      group: 'hls',
      doc: 'Length of the segments that streams are cut into, as near as their keyframes allow. Keyframes that are further apart make longer ones.',
    },
    4,
    { minimum: 1, maximum: 20 },
  ),
  hlsPartMs: seconds(
    {
      name: 'HLS_PART_SECONDS',
      group: 'hls',
      doc: 'Length of the parts that players of Low-Latency HLS get before a segment is complete (fragmented MP4 only).',
    },
    0.5,
    { minimum: 0.2, maximum: 2 },
  ),
  hlsDvrMs: seconds(
    {
      name: 'HLS_DVR_SECONDS',
      group: 'hls',
      doc: 'How far back players can go in a live stream; never less than three target durations.',
    },
    30,
    { minimum: 5, maximum: 86_400 },
  ),
  hlsBufferBytesMax: integer(
    {
      name: 'HLS_BUFFER_BYTES',
      group: 'hls',
      doc: 'Segments of a stream that are kept in memory. Past it the oldest go to disk with HLS_SPILL, or out of the playlist.',
    },
    134_217_728,
    'bytes',
    { minimum: 16_777_216, maximum: 17_179_869_184 },
  ),
  hlsCacheBytesMax: integer(
    {
      name: 'HLS_CACHE_BYTES',
      group: 'hls',
      doc: 'Segments of a proxied HLS source that are kept in memory, for each stream, so that each is fetched once however many viewers read it.',
    },
    67_108_864,
    'bytes',
    { minimum: 8_388_608, maximum: 17_179_869_184 },
  ),
  hlsTargetMs: seconds(
    {
      name: 'HLS_TARGET_SECONDS',
      group: 'hls',
      doc: 'The least target duration of playlists that are passed on. 0: that of the first source; a failover source with longer segments then changes it.',
    },
    0,
    { minimum: 0, maximum: 60 },
  ),
  hlsSpill: boolean(
    {
      name: 'HLS_SPILL',
      group: 'hls',
      doc: 'Keep segments that are too many for the memory in HOLDFAST_DATA_DIR/hls, for long HLS_DVR_SECONDS.',
    },
    false,
  ),
  hlsSpillBytesMax: integer(
    {
      name: 'HLS_SPILL_BYTES',
      group: 'hls',
      doc: 'Segments on disk, of all streams together; past it windows are shorter.',
    },
    10_737_418_240,
    'bytes',
    { minimum: 16_777_216, maximum: 17_592_186_044_416 },
  ),
} as const
