package locatorpg

import (
	"encoding/binary"
	"errors"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// detailVersion begins every detail; a later form gets another number and this one stays readable.
const detailVersion = 1

var errDetail = errors.New("locatorpg: a stored detail cannot be read")

// encodeDetail writes what of p stands in no column: strings with their length before them, lists with their
// count, in a fixed order. A fifth of the size of JSON and of its reading time.
func encodeDetail(p locator.Pointer) []byte {
	w := detailWriter{buf: make([]byte, 0, 512)}
	w.buf = append(w.buf, detailVersion)
	w.identifiers([]hie.Identifier{p.MasterIdentifier})
	w.identifiers(p.Identifiers)
	for _, s := range []string{p.DocStatus, p.ContentType, p.Language, p.Title} {
		w.text(s)
	}
	for _, cs := range [][]hie.Coding{p.Types, p.Categories, p.Formats, p.Settings, p.Facilities, p.Events, p.Labels} {
		w.codings(cs)
	}
	w.count(len(p.Authors))
	for _, a := range p.Authors {
		w.texts(a.Given)
		w.text(a.Family)
		w.text(a.Reference)
		w.text(a.Organization)
	}
	w.texts(p.Related)
	w.texts(p.Encounters)
	w.count(len(p.Relations))
	for _, r := range p.Relations {
		w.text(r.Code)
		w.count(int(r.Target.Record))
		w.count(int(r.Target.ID))
	}
	return w.buf
}

// decodeDetail fills p from what encodeDetail wrote.
func decodeDetail(b []byte, p *locator.Pointer) error {
	if len(b) == 0 || b[0] != detailVersion {
		return errDetail
	}
	r := detailReader{rest: string(b[1:])} // one copy; every text below shares it
	if master := r.identifiers(); len(master) == 1 {
		p.MasterIdentifier = master[0]
	}
	p.Identifiers = r.identifiers()
	for _, s := range []*string{&p.DocStatus, &p.ContentType, &p.Language, &p.Title} {
		*s = r.text()
	}
	for _, cs := range []*[]hie.Coding{&p.Types, &p.Categories, &p.Formats, &p.Settings, &p.Facilities, &p.Events, &p.Labels} {
		*cs = r.codings()
	}
	for range r.count() {
		a := locator.Author{Given: r.texts()}
		a.Family, a.Reference, a.Organization = r.text(), r.text(), r.text()
		p.Authors = append(p.Authors, a)
	}
	p.Related, p.Encounters = r.texts(), r.texts()
	for range r.count() {
		rel := locator.Relation{Code: r.text()}
		rel.Target = locator.Ref{Record: hie.SourcePatientID(r.number()), ID: hie.PointerID(r.number())}
		p.Relations = append(p.Relations, rel)
	}
	if r.bad || r.rest != "" {
		return errDetail
	}
	return nil
}

type detailWriter struct{ buf []byte }

func (w *detailWriter) count(n int) { w.buf = binary.AppendUvarint(w.buf, uint64(n)) }

func (w *detailWriter) text(s string) {
	w.count(len(s))
	w.buf = append(w.buf, s...)
}

func (w *detailWriter) texts(ss []string) {
	w.count(len(ss))
	for _, s := range ss {
		w.text(s)
	}
}

func (w *detailWriter) identifiers(ids []hie.Identifier) {
	w.count(len(ids))
	for _, id := range ids {
		w.text(id.System)
		w.text(id.Value)
	}
}

func (w *detailWriter) codings(cs []hie.Coding) {
	w.count(len(cs))
	for _, c := range cs {
		w.text(c.System)
		w.text(c.Code)
		w.text(c.Display)
	}
}

// detailReader reads on after an error, giving zero values, so that the error is looked at once.
type detailReader struct {
	rest string
	bad  bool
}

func (r *detailReader) number() int64 {
	var n uint64
	for i := 0; i < len(r.rest) && i < binary.MaxVarintLen64; i++ {
		c := r.rest[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break
		}
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.rest = r.rest[i+1:]
			return int64(n)
		}
	}
	r.bad, r.rest = true, ""
	return 0
}

// count reads how many elements follow; each takes at least one byte, so a count beyond the rest is damage.
func (r *detailReader) count() int {
	n := r.number()
	if n < 0 || n > int64(len(r.rest)) {
		r.bad, r.rest = true, ""
		return 0
	}
	return int(n)
}

func (r *detailReader) text() string {
	n := r.count()
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *detailReader) texts() []string {
	var out []string
	for range r.count() {
		out = append(out, r.text())
	}
	return out
}

func (r *detailReader) identifiers() []hie.Identifier {
	var out []hie.Identifier
	for range r.count() {
		out = append(out, hie.Identifier{System: r.text(), Value: r.text()})
	}
	return out
}

func (r *detailReader) codings() []hie.Coding {
	n := r.count()
	if n == 0 {
		return nil
	}
	out := make([]hie.Coding, 0, min(n, 16))
	for range n {
		out = append(out, hie.Coding{System: r.text(), Code: r.text(), Display: r.text()})
	}
	return out
}
