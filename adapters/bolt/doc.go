// Package bolt keeps a registry's journal on disk, in a bbolt database: after a
// restart the Jobs that were in flight are taken up again, and none is started
// twice.
//
//	journal, err := bolt.Open("journal.db")
//	if err != nil { ... }
//	defer journal.Close() // after the registry
//	reg, err := duvotool.Discover(ctx, client, duvotool.WithJournal(journal))
//
// # Files
//
// There are two: the database, at the path given, and its head file, at the path
// with ".head" behind it. They belong together: move, back up and delete both,
// while no process has them open. Both are made readable by their owner alone. A
// file that others can read is made so; one that others can write to is refused,
// until somebody has looked into it and changed its mode.
// The head file is also the lock: one process has the journal open at a time,
// and [Open] waits a second for another one to close it ([WithLockTimeout]).
//
// # What it promises
//
// A Put that returned nil is on disk: in the database, and then in the head
// file. Puts that wait at the same time share these writes, and one that comes
// alone waits for nobody. Get and Unfinished see only what is on disk.
//
// Open reads the whole database, without mapping it into memory: its pages, their
// order, the checksum of each record, the indexes and the list of free pages. It
// is then compared with the head file. So damage, whatever it hit, shows as an
// error that matches [ErrCorrupt] before anything was done on its strength, and
// not as a wrong record, a record that is missing, or a process that died in the
// mapped memory. Damage in pages that hold nothing does not matter. For
// 10,000 records of 2 KiB that takes about 0.1 s (BenchmarkOpen).
//
// A file that changes or fails while it is open is noticed when its records are
// read, each by its checksum; faults of the mapped memory become errors. That it was
// overwritten with an older or another one, which is whole, is noticed by the next
// call. After
// any such error, or a sync of the database that failed, the journal takes no more
// calls: close it, and open it anew.
//
// A write that fails, on a full disk say, is an error that matches
// journal.ErrUnavailable. The journal then reads and checks its files again, and
// takes calls on; the next Put may succeed. For a second after such a failure Puts
// fail without being tried. Where the head file was what failed, the record is
// stored all the same, as after a crash.
//
// That one of the files was removed or replaced is noticed at the next Put, before
// and after it is written: the error matches [ErrMoved]. While one of the two is
// still there nobody else can open the journal; where both are gone somebody can
// begin another at the path, and this one takes nothing more.
//
// # The head file
//
// bbolt takes up the newest of its two meta pages that is whole. If the newest
// one is damaged, the last transaction silently never happened. To notice that,
// each transaction has a generation, one more than the one before, and the
// database holds in it, beside the records: the generation, the number that bbolt
// gave the transaction, how many records there are, the sum of their digests, and
// the last two of the generation before.
// The head file has two slots, in disk blocks of their own, with a checksum each;
// generation g goes to slot g mod 2. A Put is written in this order:
//
//  1. the transaction of generation g, synced;
//  2. its meta page, synced: from now on g is in the database;
//  3. slot g mod 2 of the head file, synced;
//  4. Put returns nil.
//
// A crash can therefore leave the head file one generation behind, never more and
// never ahead, and can tear the page or the slot being written, never one of
// both files. Open accepts, with H the newest generation in a whole slot and D
// that of the database:
//
//	D = H         if count and sum agree. Not if a slot and a meta page are both
//	              damaged: the damaged slot may have told of the damaged page.
//	D = H + 1     if D follows the count and sum of H: the crash came between 2
//	              and 4. The Put had not returned; its record is there.
//	D = 1, no H   if both meta pages are whole: the crash came while the journal
//	              was made.
//
// and then writes the slots anew. All else is an error: D < H lost records that
// were put, D > H + 1 is another or older head file. [AcceptLoss] opens the
// database all the same, if it is whole. So either file alone that was put back to
// an older self is noticed, by the next process too. That both were put back
// together, or by somebody who writes a head file that fits, cannot be noticed
// here; within a process the registry notices it record by record, and what is
// encrypted by duvotool.WithJournalKey can only be put back whole.
//
// # Retention
//
// Forget deletes records that are done, by an index of their times. bbolt uses
// their pages again but does not shrink its file; Open does, once more than half
// of it is unused.
//
// # Format
//
// The format has a version. A newer version is refused with [ErrNewer]; older ones
// keep opening.
package bolt
