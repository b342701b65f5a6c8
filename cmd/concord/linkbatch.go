package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpicsv"
)

// A linkBatch is a file read: the linkage and each record's id.
type linkBatch struct {
	linkage mpi.Linkage
	ids     []string
	// digest is of all bytes read, unpacked.
	digest hash.Hash
	// each, if not nil, is called again and again while a file is read.
	each func()
}

func newLinkBatch() *linkBatch { return &linkBatch{digest: sha256.New()} }

// readRecords reads a whole file; keep, if not nil, is called with each record.
func readRecords(ctx context.Context, std *streams, name string, without mpicsv.Without, keep func(mpicsv.Record)) (*linkBatch, error) {
	out := newLinkBatch()
	return out, out.read(ctx, std, name, without, keep)
}

// readAtOnce is how many records are handed on together.
const readAtOnce = 256

// read adds a file's records. One goroutine reads rows while those before them are normalised on all processors.
func (b *linkBatch) read(ctx context.Context, std *streams, name string, without mpicsv.Without, keep func(mpicsv.Record)) error {
	dayFirst, err := readWhole(name, mpicsv.ReadDayFirst)
	if err != nil {
		return err
	}
	f, err := mpicsv.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	parts, failed := make(chan []mpicsv.Record, 8), error(nil)
	go func() {
		defer close(parts)
		var part []mpicsv.Record
		failed = mpicsv.ReadDated(io.TeeReader(f, b.digest), without, dayFirst, func(r mpicsv.Record) error {
			if part = append(part, r); len(part) == readAtOnce {
				parts <- part
				part = make([]mpicsv.Record, 0, readAtOnce)
			}
			return ctx.Err()
		})
		parts <- part
	}()
	said := time.Now()
	for part := range parts { // to the end, whatever comes
		for _, r := range part {
			b.linkage.Add(r.Source, r.Demographics)
			b.ids = append(b.ids, r.ID)
			if keep != nil {
				keep(r)
			}
		}
		if b.each != nil {
			b.each()
		}
		if time.Since(said) > 5*time.Second {
			said = time.Now()
			fmt.Fprintf(std.err, "read %d records\n", len(b.ids))
		}
	}
	if failed != nil {
		return fmt.Errorf("%s: %w", name, failed)
	}
	return nil
}
