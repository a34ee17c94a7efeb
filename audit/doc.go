// Package audit keeps who decided what about the human requests of Jobs. [Slog] and
// [OpenFile] write it, [Read], [Decisions] and [Position] read it, and [Verify] and
// [VerifyProofs] tell whether it was changed since.
package audit
