package pg

import (
	"cmp"
	"context"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"
)

// A Copier sends rows to a COPY and keeps the first error. While it is open nothing else may run in its transaction.
//
// It writes COPY's text format itself: the driver's own way costs a call through database/sql and a dozen allocations a row,
// which is most of a bulk load's time in the program.
type Copier struct {
	tx   *Tx
	stmt copyStmt
	buf  []byte
	err  error
}

// A copyStmt is the driver's COPY.
type copyStmt interface {
	driver.Stmt
	CopyData(ctx context.Context, line string) (driver.Result, error)
}

// copyFlush is from how many bytes on rows are handed to the driver, which sends as many at once.
const copyFlush = 60 << 10

// CopyInto begins text, a "copy … from stdin", in tx, which [InCopyTx] began. The driver would roll back while a COPY still reads from the
// connection if the context ended under it, so its own does not end; the rows look at ctx themselves.
func CopyInto(ctx context.Context, tx *Tx, text string) (*Copier, error) {
	if tx.conn == nil {
		panic("pg: COPY in a transaction that was not begun by InCopyTx")
	}
	tx.db.saw(text)
	c := &Copier{tx: tx, buf: make([]byte, 0, copyFlush+4<<10)}
	err := tx.conn.Raw(func(dc any) error {
		s, err := dc.(driver.ConnPrepareContext).PrepareContext(context.WithoutCancel(ctx), text)
		if err != nil {
			return err
		}
		c.stmt = s.(copyStmt)
		return nil
	})
	if err != nil {
		return nil, Clean(ctx, err)
	}
	return c, nil
}

// Row sends one row.
func (c *Copier) Row(ctx context.Context, values ...any) {
	if c.err != nil {
		return
	}
	var r CopyRow
	r.b = c.buf
	r.Values(values...)
	r.end()
	c.buf = r.b
	if c.err = r.err; c.err == nil && len(c.buf) >= copyFlush {
		c.flush(ctx)
	}
}

// Rows sends n rows, in order, which write makes one by one on all processors.
func (c *Copier) Rows(ctx context.Context, n int, write func(i int, r *CopyRow)) {
	workers := runtime.GOMAXPROCS(0)
	const some = 256 // rows a piece
	pieces := make([]CopyRow, workers)
	for from := 0; from < n && c.err == nil; from += workers * some {
		var wg sync.WaitGroup
		for w := range pieces {
			begin, end := min(from+w*some, n), min(from+(w+1)*some, n)
			pieces[w].b = pieces[w].b[:0]
			if begin < end {
				wg.Go(func() {
					r := pieces[w]
					for i := begin; i < end; i++ {
						write(i, &r)
						r.end()
					}
					pieces[w] = r
				})
			}
		}
		wg.Wait()
		for w := range pieces {
			if c.err == nil {
				c.err = pieces[w].err
			}
			c.buf = append(c.buf, pieces[w].b...)
		}
		if len(c.buf) >= copyFlush {
			c.flush(ctx)
		}
	}
}

// flush hands what has been written to the driver.
func (c *Copier) flush(ctx context.Context) {
	if c.err == nil {
		c.err = ctx.Err()
	}
	if c.err != nil || len(c.buf) == 0 {
		return
	}
	c.err = c.tx.conn.Raw(func(any) error {
		_, err := c.stmt.CopyData(context.WithoutCancel(ctx), string(c.buf[:len(c.buf)-1])) // it adds the end of the last line
		return err
	})
	c.buf = c.buf[:0]
}

// End ends the COPY and returns the first error.
func (c *Copier) End(ctx context.Context) error {
	c.flush(ctx)
	err := c.tx.conn.Raw(func(any) error { return c.stmt.Close() })
	if c.err == nil {
		c.err = err
	}
	return Clean(ctx, c.err)
}

// A CopyRow writes one row of a COPY, value by value in the order of its columns.
type CopyRow struct {
	b   []byte
	err error
}

func (r *CopyRow) sep() { r.b = append(r.b, '\t') }

// end makes a line of what was written.
func (r *CopyRow) end() {
	if n := len(r.b); n > 0 {
		r.b[n-1] = '\n'
	}
}

// Fail has the COPY end with err.
func (r *CopyRow) Fail(err error) { r.err = cmp.Or(r.err, err) }

// Null writes nothing known.
func (r *CopyRow) Null() { r.b = append(r.b, `\N`...); r.sep() }

// Int writes a number.
func (r *CopyRow) Int(n int64) { r.b = strconv.AppendInt(r.b, n, 10); r.sep() }

// Float writes a number.
func (r *CopyRow) Float(x float64) { r.b = strconv.AppendFloat(r.b, x, 'f', -1, 64); r.sep() }

// Bool writes true or false.
func (r *CopyRow) Bool(v bool) { r.b = strconv.AppendBool(r.b, v); r.sep() }

// Time writes an instant.
func (r *CopyRow) Time(t time.Time) { r.b = append(r.b, pq.FormatTimestamp(t)...); r.sep() }

// Bytes writes a bytea; nil is no value.
func (r *CopyRow) Bytes(v []byte) {
	if v == nil {
		r.Null()
		return
	}
	r.b = append(r.b, `\\x`...)
	r.b = hex.AppendEncode(r.b, v)
	r.sep()
}

// Text writes a text.
//
// Source: PostgreSQL manual, COPY, "Text Format".
func (r *CopyRow) Text(s string) {
	from := 0
	for i := range len(s) {
		var escaped byte
		switch s[i] {
		case '\\':
			escaped = '\\'
		case '\n':
			escaped = 'n'
		case '\r':
			escaped = 'r'
		case '\t':
			escaped = 't'
		default:
			continue
		}
		r.b = append(append(r.b, s[from:i]...), '\\', escaped)
		from = i + 1
	}
	r.b = append(r.b, s[from:]...)
	r.sep()
}

// Ints writes an array of numbers.
func (r *CopyRow) Ints(ns []int64) {
	r.b = append(r.b, '{')
	for i, n := range ns {
		if i > 0 {
			r.b = append(r.b, ',')
		}
		r.b = strconv.AppendInt(r.b, n, 10)
	}
	r.b = append(r.b, '}')
	r.sep()
}

// Values writes what database/sql would take as arguments.
func (r *CopyRow) Values(values ...any) {
	for _, v := range values {
		r.any(v)
	}
}

// any writes what database/sql would take as an argument.
func (r *CopyRow) any(v any) {
	switch v := v.(type) {
	case nil:
		r.Null()
	case int64:
		r.Int(v)
	case int:
		r.Int(int64(v))
	case string:
		r.Text(v)
	case []byte:
		r.Bytes(v)
	case bool:
		r.Bool(v)
	case float64:
		r.Float(v)
	case time.Time:
		r.Time(v)
	default:
		w, err := driver.DefaultParameterConverter.ConvertValue(v)
		if err != nil {
			r.err = fmt.Errorf("pg: a COPY takes no %T", v)
			return
		}
		switch w.(type) {
		case nil, int64, string, []byte, bool, float64, time.Time:
			r.any(w)
		default:
			r.err = fmt.Errorf("pg: a COPY takes no %T", v)
		}
	}
}

// ArrayText writes ns as PostgreSQL reads an array, which is how COPY takes one.
func ArrayText(ns []int64) string {
	var b strings.Builder
	b.Grow(2 + 20*len(ns))
	b.WriteByte('{')
	for i, n := range ns {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(n, 10))
	}
	b.WriteByte('}')
	return b.String()
}
