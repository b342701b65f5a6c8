package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/concord-hie/concord/hie"
)

// A bulk is a load of NDJSON files that goes on where it stopped: lines are read and checked on all processors while those
// before them are stored, and what is not taken is named in a rejects file. What a line is, and how lines are stored, is its
// user's: patients, documents, consents.
type bulk[T any] struct {
	kind    string // "patients": part of a file's name as a feed
	files   []string
	rejects string // "" for FILE.rejects.ndjson, of a dry run FILE.dry-run.rejects.ndjson
	batch   int    // lines a transaction
	dryRun  bool   // nothing is stored, and no mark is read
	std     *streams
	// mark returns how far feed has come, the zero mark for one that never began.
	mark func(ctx context.Context, feed string) (bulkMark, error)
	// check makes a line ready. An *hie.InvalidError is the line's fault; any other error ends the load.
	check func(ctx context.Context, text []byte) (T, error)
	// ahead, unless nil, reads for the checked lines of a batch what finish then makes each ready with, on all processors; an error of finish is as
	// one of check.
	ahead  func(ctx context.Context, lines []bulkLine[T]) error
	finish func(ctx context.Context, item T) (T, error)
	// store stores lines, which follow each other, and moves sum and, in the transaction that stores them, the feed's mark over
	// them. Rejects are written before the mark moves past them: a crash in between names a line twice, never not at all.
	store func(ctx context.Context, feed string, sum *bulkMark, lines []bulkLine[T], rejects *rejectFile) error
	// said says what became of a file's lines.
	said func(sum bulkMark) string
}

// A bulkMark is how far a file has been loaded, and what became of the lines up to there.
type bulkMark struct {
	line                               int64
	taken, revised, repeated, rejected int64
}

// A bulkLine is one line of a file on its way.
type bulkLine[T any] struct {
	n    int64
	text []byte
	item T
	err  error // what is wrong with it
}

// ready says what is wrong with how the load was asked for, most being how many lines a transaction may take.
func (b *bulk[T]) ready(most int) error {
	if b.batch < 1 || b.batch > most {
		return fmt.Errorf("--batch must be between 1 and %d", most)
	}
	if b.rejects != "" && len(b.files) > 1 {
		return errors.New("--rejects names one file; give one input file with it")
	}
	return nil
}

// run loads the files one after another.
func (b *bulk[T]) run(ctx context.Context) error {
	for _, name := range b.files {
		if err := b.file(ctx, name); err != nil {
			return fmt.Errorf("import %s: %s: %w", b.kind, name, err)
		}
	}
	return nil
}

func (b *bulk[T]) file(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	feed, total, err := fingerprint(f, b.kind)
	if err != nil {
		return err
	}
	var sum bulkMark
	if !b.dryRun {
		if sum, err = b.mark(ctx, feed); err != nil {
			return err
		}
	}
	rejects := openRejects(b.rejects, name, sum.line > 0, b.dryRun)
	defer func() { _ = rejects.Close() }()
	bar := newProgress(b.std.err, name, max(int(total-sum.line), 1))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan []bulkLine[T], 1) // one is read and checked while the one before is stored
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(batches)
		if err := b.read(ctx, f, sum.line, batches); err != nil {
			cancel(err)
		}
	})
	for lines := range batches {
		if err := b.store(ctx, feed, &sum, lines, rejects); err != nil {
			cancel(err)
			break
		}
		bar.add(len(lines))
	}
	for range batches { // let the reader end
	}
	reading.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	bar.end()
	fmt.Fprintf(b.std.err, "%s: %s\n", name, b.said(sum))
	return rejects.Close()
}

// read checks the lines after the first skip ones and hands them on in batches, in order.
func (b *bulk[T]) read(ctx context.Context, f io.Reader, skip int64, out chan<- []bulkLine[T]) error {
	r := bufio.NewReaderSize(f, 1<<20)
	n := int64(0)
	for ended := false; !ended; {
		lines := make([]bulkLine[T], 0, b.batch)
		for len(lines) < b.batch && !ended {
			text, err := readLine(r)
			if ended = errors.Is(err, io.EOF); err != nil && !ended && !errors.Is(err, bufio.ErrTooLong) {
				return err
			}
			if n++; n > skip && (!ended || len(text) > 0) {
				l := bulkLine[T]{n: n, text: text}
				if errors.Is(err, bufio.ErrTooLong) {
					l.err = &hie.InvalidError{Rule: "is longer than 1 MiB", Code: "too-long"}
				}
				lines = append(lines, l)
			}
		}
		err := b.eachLine(ctx, lines, func(l *bulkLine[T]) (T, error) { return b.check(ctx, l.text) })
		if err == nil && b.ahead != nil {
			if err = b.ahead(ctx, lines); err == nil {
				err = b.eachLine(ctx, lines, func(l *bulkLine[T]) (T, error) { return b.finish(ctx, l.item) })
			}
		}
		if err != nil {
			return err
		}
		if len(lines) == 0 {
			continue
		}
		select {
		case out <- lines:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// eachLine makes each line that is good so far ready or says what is wrong with it, on all processors.
func (b *bulk[T]) eachLine(ctx context.Context, lines []bulkLine[T], ready func(*bulkLine[T]) (T, error)) error {
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	failed := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(lines) && failed[w] == nil; i += workers {
				if l := &lines[i]; l.err == nil {
					l.item, l.err = ready(l)
					if _, own := errors.AsType[*hie.InvalidError](l.err); l.err != nil && !own {
						failed[w] = l.err
					}
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errors.Join(failed...), ctx.Err())
}

// apart returns the lines that are ready and, by number, what is wrong with the others.
func apart[T any](lines []bulkLine[T]) (good []bulkLine[T], bad map[int64]error) {
	bad = map[int64]error{}
	for _, l := range lines {
		if l.err != nil {
			bad[l.n] = l.err
		} else {
			good = append(good, l)
		}
	}
	return good, bad
}

// fingerprint names a file of a kind by its size, beginning and end, and counts its lines.
func fingerprint(f *os.File, kind string) (feed string, lines int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "concord %s v1 %d\n", kind, info.Size())
	const edge = 64 << 10
	for _, at := range []int64{0, max(0, info.Size()-edge)} {
		if _, err := io.Copy(h, io.NewSectionReader(f, at, edge)); err != nil {
			return "", 0, err
		}
	}
	buf := make([]byte, 1<<20)
	for {
		n, err := f.Read(buf)
		lines += int64(bytes.Count(buf[:n], []byte{'\n'}))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", 0, err
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return hex.EncodeToString(h.Sum(nil)), lines + 1, err
}

// maxLine bounds one line of a file.
const maxLine = 1 << 20

// readLine returns a line without its end, in memory of its own. One beyond maxLine is skipped to its end and
// given as bufio.ErrTooLong.
func readLine(r *bufio.Reader) ([]byte, error) {
	var out []byte
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if long = long || len(out)+len(part) > maxLine; !long {
			out = append(out, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if long && err == nil {
			return nil, bufio.ErrTooLong
		}
		return bytes.TrimRight(out, "\r\n"), err
	}
}
