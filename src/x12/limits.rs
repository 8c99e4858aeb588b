//! What one file may ask of us. Each limit has its reason; what is over it becomes a finding, never a
//! panic and never a loop without end.

/// Bytes of one segment. The longest of the sets read here (an HI with twelve composites, an MSG) stays
/// under two kilobytes; a terminator that never comes must not make us hold the whole file.
pub const MAX_SEGMENT_BYTES: usize = 64 * 1024;

/// Elements of one segment. The longest definition (LIN) has 31.
pub const MAX_ELEMENTS: usize = 64;

/// Repetitions of one element. No element of these guides may be repeated more than a few dozen times.
pub const MAX_REPEATS: usize = 100;

/// Bytes of one transaction set, ST to SE. The guides advise at most 5,000 claims, some ten megabytes;
/// a streaming reader holds one set in memory.
pub const MAX_TRANSACTION_BYTES: usize = 512 * 1024 * 1024;

/// Interchanges of one file.
pub const MAX_INTERCHANGES: u64 = 1_000_000;

/// Segments of one transaction set: 32 bytes each for us, whatever their length in the file.
pub const MAX_TRANSACTION_SEGMENTS: usize = 8 * 1024 * 1024;

/// Faults of the envelopes of one interchange. Behind that it is noise, and is skipped to the next ISA.
pub const MAX_ENVELOPE_FAULTS: usize = 10_000;

/// Findings kept for one transaction set, and for the envelopes of one interchange. A file of noise
/// must not become a larger list of complaints; the last finding then says that there are more.
pub const MAX_FINDINGS: usize = 1_000;

/// Bytes of a wrong value repeated in a finding or in IK404, which the 999 bounds by 99.
pub const MAX_QUOTED_BYTES: usize = 99;

/// Bytes that a streaming reader asks for at a time, to begin with.
pub const BLOCK_BYTES: usize = 256 * 1024;
