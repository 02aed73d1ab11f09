/** What cannot be read, however often it is asked for, and why: the end of "the source …". */
export class UnreadableSegment extends Error {}
