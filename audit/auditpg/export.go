package auditpg

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"golang.org/x/mod/sumdb/tlog"
)

// line is one line of an export: a row, or a stored checkpoint after the last row it covers.
//
//	{"seq":0,"event":"0199…","salt":"…","body":{…}}    the body byte for byte as it was hashed
//	{"seq":1,"event":"0199…","leaf":"…"}                a shredded event
//	{"seq":2,"event":"0199…","salt":"…","raw":"…"}      a body that is no event: somebody tampered with it
//	{"size":3,"checkpoint":"concord.audit\n3\n…"}
type line struct {
	Seq        *int64          `json:"seq,omitempty"`
	Event      string          `json:"event,omitempty"`
	Salt       []byte          `json:"salt,omitempty"`
	Body       json.RawMessage `json:"body,omitempty"`
	Raw        []byte          `json:"raw,omitempty"`
	Leaf       []byte          `json:"leaf,omitempty"`
	Size       *int64          `json:"size,omitempty"`
	Checkpoint string          `json:"checkpoint,omitempty"`
}

// Export writes the whole log to w as NDJSON, from one snapshot, in the order [Verify] reads it. It holds personal
// data. It returns the number of rows.
func Export(ctx context.Context, db *pg.DB, w io.Writer) (n int64, err error) {
	buf := bufio.NewWriterSize(w, 1<<16)
	err = snapshot(ctx, db, func(tx *pg.Tx) error {
		n = 0
		return (&rows{q: tx}).Read(ctx, func(e Entry) error {
			n++
			return writeLine(buf, lineOf(e))
		}, func(size int64, signed string) error { return writeLine(buf, line{Size: &size, Checkpoint: signed}) })
	})
	if err = errors.Join(err, buf.Flush()); err != nil {
		return n, fmt.Errorf("auditpg: export: %w", err)
	}
	return n, nil
}

func lineOf(e Entry) line {
	l := line{Seq: &e.Seq, Event: e.Event, Salt: e.Salt}
	if e.Body == nil && len(e.Hashes) >= tlog.HashSize {
		l.Leaf = e.Hashes[:tlog.HashSize]
	} else if _, err := Decode(e.Body); err == nil {
		l.Body = e.Body
	} else {
		l.Raw = e.Body
	}
	return l
}

func writeLine(w io.Writer, l line) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(l); err != nil {
		return fmt.Errorf("a row cannot be written")
	}
	return nil
}

// maxLine bounds a line of an export.
const maxLine = 8 << 20

// ReadExport returns the export in r as a Source for [Verify]; it is read once.
func ReadExport(r io.Reader) Source { return export{r: r} }

type export struct{ r io.Reader }

// Read implements [Source]. A line that is none is an *hie.InvalidError that names its number and quotes nothing.
func (x export) Read(_ context.Context, row func(Entry) error, checkpoint func(int64, string) error) error {
	scan := bufio.NewScanner(x.r)
	scan.Buffer(make([]byte, 1<<16), maxLine)
	n := 0
	for scan.Scan() {
		n++
		var l line
		dec := json.NewDecoder(bytes.NewReader(scan.Bytes()))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&l); err != nil || dec.More() {
			return badLine(n)
		}
		var err error
		switch {
		case l.Size != nil && l.Seq == nil:
			err = checkpoint(*l.Size, l.Checkpoint)
		case l.Seq != nil && l.Size == nil:
			e := Entry{Seq: *l.Seq, Event: l.Event, Salt: l.Salt, Body: l.Body, Hashes: l.Leaf}
			if l.Raw != nil {
				e.Body = l.Raw
			}
			err = row(e)
		default:
			err = badLine(n)
		}
		if err != nil {
			return err
		}
	}
	if scan.Err() != nil {
		return badLine(n + 1)
	}
	return nil
}

func badLine(n int) error {
	return hie.Invalid(fmt.Sprintf("line %d", n), "must be a row or a checkpoint of an exported audit log")
}

// Outside implements [Source]: an export has nothing beside its rows.
func (export) Outside(context.Context) (*Finding, error) { return nil, nil }
