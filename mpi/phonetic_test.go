package mpi

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
)

// surnames returns the most common surnames of the United States in lower case, n of them.
func surnames(t *testing.T, n int) []string {
	t.Helper()
	f, err := os.Open("../../shared/data/names/us_surnames_2010.csv.gz")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("../shared/data is not here: the surnames of the census are not in the project")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows := csv.NewReader(z)
	rows.FieldsPerRecord = -1
	var out []string
	for len(out) < n {
		row, err := rows.Read()
		if err != nil {
			t.Fatal(err)
		}
		if name := fold(row[0]); name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") == "" && len(name) > 2 {
			out = append(out, name)
		}
	}
	return out[1:] // the first is the heading
}

// TestPhoneticAgreesWithOtherPhonetics holds the codes against Double Metaphone and Metaphone as PostgreSQL has them. The codes are
// coarser than either by intent (voiced and unvoiced sounds share one), so what the others both hold for alike must be alike here
// nearly always, and what is alike here must nearly always be so to one of the others.
func TestPhoneticAgreesWithOtherPhonetics(t *testing.T) {
	names := surnames(t, 5000)
	db := pgtest.DB(t)
	ctx := context.Background()
	if _, err := db.SQL().ExecContext(ctx, `create extension fuzzystrmatch`); err != nil {
		t.Skip("this PostgreSQL is without fuzzystrmatch, which is what would be asked")
	}
	type codes struct{ ours, double, alternate, single string }
	all := make([]codes, 0, len(names))
	rows, err := db.SQL().QueryContext(ctx, `select name, dmetaphone(name), dmetaphone_alt(name), metaphone(name, 6) from unnest($1::text[]) name`, pg.Array(names))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c codes
		var name string
		if err := rows.Scan(&name, &c.double, &c.alternate, &c.single); err != nil {
			t.Fatal(err)
		}
		c.ours = string(rune(phonetic([]byte(name))&0x7fff)) + string(rune(phonetic([]byte(name))>>15))
		all = append(all, c)
	}
	if err := rows.Err(); err != nil || len(all) != len(names) {
		t.Fatalf("%d names of %d have codes: %v", len(all), len(names), err)
	}
	var both, doubleOnly, ours, oursAlone int
	for i, a := range all {
		for _, b := range all[i+1:] {
			double := a.double == b.double || a.double == b.alternate || a.alternate == b.double
			single := a.single == b.single
			if double && single {
				if both++; a.ours != b.ours {
					doubleOnly++
				}
			}
			if a.ours == b.ours {
				if ours++; !double && !single {
					oursAlone++
				}
			}
		}
	}
	t.Logf("%d pairs alike to both others, %d of them not here; %d alike here, %d of them to neither", both, doubleOnly, ours, oursAlone)
	if both < 1000 || float64(doubleOnly) > .03*float64(both) {
		t.Errorf("%d of %d pairs alike to both others are not alike here, want at most 3 in 100", doubleOnly, both)
	}
	if float64(oursAlone) > .05*float64(ours) {
		t.Errorf("%d of %d pairs alike here are so to neither of the others, want at most 5 in 100", oursAlone, ours)
	}
}
