package mpipg

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"github.com/concord-hie/concord/internal/pg"
)

// A sheaf runs the statements of a transaction and holds back writes that nothing reads again, to run them as one statement:
// each is an insert into a table of its own. It is written before anything else runs in it, and at the transaction's end.
//
// Source: spec scale-out section 2, rule 15 (modifying CTEs, even across shards).
type sheaf struct {
	tx    *pg.Tx
	parts []insert
}

// An insert is one write held back.
type insert struct {
	table, text string
	args        []any
}

// maxSheaf is how many writes a sheaf holds.
const maxSheaf = 6

// add holds an insert into table back.
func (s *sheaf) add(ctx context.Context, table, text string, args []any) error {
	full := len(s.parts) == maxSheaf
	for _, p := range s.parts {
		full = full || p.table == table
	}
	if full {
		if err := s.write(ctx); err != nil {
			return err
		}
	}
	s.parts = append(s.parts, insert{table, text, args})
	return nil
}

// write runs what was held back.
func (s *sheaf) write(ctx context.Context) error {
	if len(s.parts) == 0 {
		return nil
	}
	var texts [maxSheaf]string
	var args []any
	for i, p := range s.parts {
		texts[i], args = p.text, append(args, p.args...)
	}
	text := bound.of(texts, s.parts)
	s.parts = s.parts[:0]
	_, err := s.tx.Exec(ctx, text, args...)
	return err
}

// Exec implements pg.Querier.
func (s *sheaf) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := s.write(ctx); err != nil {
		return 0, err
	}
	return s.tx.Exec(ctx, query, args...)
}

// Query implements pg.Querier.
func (s *sheaf) Query(ctx context.Context, query string, args ...any) (*pg.Rows, error) {
	if err := s.write(ctx); err != nil {
		return nil, err
	}
	return s.tx.Query(ctx, query, args...)
}

// QueryRow implements pg.Querier.
func (s *sheaf) QueryRow(ctx context.Context, query string, args ...any) *pg.Row {
	if err := s.write(ctx); err != nil {
		return pg.FailedRow(err)
	}
	return s.tx.QueryRow(ctx, query, args...)
}

// boundTexts keeps the statements that sheaves became, by what they were made of.
type boundTexts struct {
	mu  sync.RWMutex
	all map[[maxSheaf]string]string
}

var bound = boundTexts{all: map[[maxSheaf]string]string{}}

func (b *boundTexts) of(texts [maxSheaf]string, parts []insert) string {
	if len(parts) == 1 {
		return texts[0]
	}
	b.mu.RLock()
	text, known := b.all[texts]
	b.mu.RUnlock()
	if known {
		return text
	}
	text = bind(parts)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all[texts] = text
	return text
}

// bind makes one statement of parts: all but the last stand before it, each with its parameters behind those of the others.
func bind(parts []insert) string {
	var out strings.Builder
	shift := 0
	for i, p := range parts {
		switch last := i == len(parts)-1; {
		case last:
			out.WriteByte(' ')
		case i == 0:
			out.WriteString("with a0 as (")
		default:
			out.WriteString(", a" + strconv.Itoa(i) + " as (")
		}
		shifted(&out, p.text, shift)
		if i < len(parts)-1 {
			out.WriteByte(')')
		}
		shift += len(p.args)
	}
	return out.String()
}

// shifted writes text with every parameter's number raised by shift.
func shifted(out *strings.Builder, text string, shift int) {
	for {
		at := strings.IndexByte(text, '$') + 1
		if at == 0 {
			out.WriteString(text)
			return
		}
		end := at
		for end < len(text) && text[end] >= '0' && text[end] <= '9' {
			end++
		}
		n, _ := strconv.Atoi(text[at:end]) // digits
		out.WriteString(text[:at] + strconv.Itoa(n+shift))
		text = text[end:]
	}
}
