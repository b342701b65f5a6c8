package mpipg

import (
	"context"
	"strconv"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// A Loading is one bulk load of many parts, as mpi.Bulk. It keeps in memory what it has stored under each key, so that a part does not read
// from the database what the parts before it wrote. It is for one goroutine at a time.
type Loading struct {
	s     *Store
	stock *stock
}

// NewLoading returns a load into s that keeps at most records records in memory, about half a KiB each; 0 means two million. When there
// are more it keeps none, and reads.
func NewLoading(s *Store, records int) *Loading {
	if records == 0 {
		records = 2_000_000
	}
	return &Loading{s, &stock{most: records, heads: map[int64]uint32{}}}
}

// Load implements mpi.Bulk.
func (l *Loading) Load(ctx context.Context, a mpi.Ahead, f func(mpi.Workbench) error) error {
	return l.s.loadWith(ctx, l.stock, a, f)
}

// A stock holds, for some keys, all live rows there are under them: those whose first row the load wrote and whose count nobody but the
// load's own transactions has touched since. Whoever changes what is under a key that is no hub claims it first, so the transaction that
// touched the count last tells whether the stock still holds (takeStocked). It changes only when a transaction has committed.
type stock struct {
	most    int
	heads   map[int64]uint32 // key -> the last of its rows, counted from 1
	rows    []stockRow
	records []stocked
	written []string // the load's transactions, the newest last
}

// maxWritten bounds how many of its transactions a stock knows. What one before them wrote last is read again.
const maxWritten = 512

type stockRow struct{ record, before uint32 }

type stocked struct {
	id       hie.SourcePatientID
	features []byte
}

// under returns the rows of a key the stock knows.
func (s *stock) under(key int64) []mpi.Candidate {
	var rows []mpi.Candidate
	for at := s.heads[key]; at != 0; at = s.rows[at-1].before {
		of := &s.records[s.rows[at-1].record]
		rows = append(rows, mpi.Candidate{Key: key, Record: of.id, Features: of.features})
	}
	return rows
}

// add puts what d wrote as transaction xact into the stock.
func (s *stock) add(d *desk, xact string, hub int64) {
	if s.most == 0 {
		return
	}
	if s.written = append(s.written, xact); len(s.written) > maxWritten {
		s.written = s.written[1:]
	}
	for k := range d.altered {
		delete(s.heads, k)
	}
	for _, r := range d.newRecords() {
		n := uint32(len(s.records))
		s.records = append(s.records, stocked{r, d.features[r]})
		for _, k := range d.patients[r].Keys {
			before, known := s.heads[k]
			switch {
			case d.altered[k] || !known && !d.first[k]:
			case d.counts[k] > hub: // not looked under any more
				delete(s.heads, k)
				delete(d.first, k)
			default:
				s.rows = append(s.rows, stockRow{n, before})
				s.heads[k] = uint32(len(s.rows))
			}
		}
	}
	if len(s.records) > s.most {
		*s = stock{}
	}
}

// xids are the transactions as PostgreSQL reads an array of them.
func (s *stock) xids() string { return "{" + strings.Join(s.written, ",") + "}" }

var claimStocked = newTexts(func(n int) string {
	return `insert into mpi.key_claim (key, n) values ` + values(n, 2) + `
		on conflict (key) do update set n = greatest(0, key_claim.n + excluded.n) where key_claim.xmin = any($` + strconv.Itoa(2*n+1) + `::xid[])
		returning key, n`
})

// takeStocked locks the counts of those of keys, sorted, that the stock knows, adding to them, and takes their rows from it. It
// returns the other keys: those the stock does not know or somebody else has touched.
func (d *desk) takeStocked(ctx context.Context, keys []int64, add map[int64]int64) (others []int64, err error) {
	if d.stock == nil || len(d.stock.heads) == 0 {
		return keys, nil
	}
	var ours []int64
	for _, k := range keys {
		if _, known := d.stock.heads[k]; known {
			ours = append(ours, k)
		}
	}
	took := make(map[int64]bool, len(ours))
	err = inChunks(ours, func(part []int64) error {
		args := make([]any, 0, 2*len(part)+1)
		for _, k := range part {
			args = append(args, k, add[k])
		}
		rows, err := d.q.Query(ctx, claimStocked.of(len(part)), append(args, d.stock.xids())...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var key, n int64
			if err := rows.Scan(&key, &n); err != nil {
				return err
			}
			took[key] = true
			d.counts[key], d.claimed[key] = n-add[key], n
			d.byKey[key] = d.stock.under(key)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if !took[k] {
			others = append(others, k)
			d.altered[k] = true // if it was known, it is not any more
		}
	}
	return others, nil
}
