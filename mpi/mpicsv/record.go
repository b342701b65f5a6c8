// Package mpicsv reads linkage files: one person's registration a row, in the columns of data/linkage/README.md, with the
// truth, where a file holds it, kept out of reach of whoever links.
//
// It decides how a row becomes demographics. What values mean, and which are placeholders, is package mpi's.
package mpicsv

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// Columns are the columns of a linkage file, all of them, in this order or another.
var Columns = []string{"record_id", "person_id", "source", "given", "middle", "family", "suffix", "birth_date", "sex", "ssn", "phone", "email",
	"street", "city", "state", "postal_code", "mrn", "extra"}

// A Record is one row without its truth.
type Record struct {
	hie.Private
	// ID is the record_id, Line the line of the file it begins on.
	ID           string
	Line         int
	Source       hie.SiteID
	Demographics mpi.Demographics
}

// A Truth is one row's record_id, person_id and source.
type Truth struct{ ID, Person, Source string }

// Without names columns to leave out, for finding out what a file's identifiers earn.
type Without map[string]bool

// ErrRow means that a row cannot be read; the text names its line.
var ErrRow = errors.New("bad row")

// Open opens a linkage file, gzipped or not. Close closes it.
func Open(name string) (io.ReadCloser, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(name, ".gz") {
		return f, nil
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("not gzip: %w", err)
	}
	return struct {
		io.Reader
		io.Closer
	}{z, f}, nil
}

// A rows reads rows by column name.
type rows struct {
	csv    *csv.Reader
	column map[string]int
	row    []string
	line   int
	// dayFirst are the sources that write the day before the month.
	dayFirst DayFirst
}

// open reads the header. Missing and repeated columns are named.
func open(r io.Reader, need ...string) (*rows, error) {
	c := csv.NewReader(r)
	c.ReuseRecord = true
	header, err := c.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: line 1: the file is empty; expected a header row", ErrRow)
	}
	if err != nil {
		return nil, rowError(err)
	}
	out := &rows{csv: c, column: map[string]int{}}
	for i, name := range header {
		name = strings.TrimPrefix(strings.TrimSpace(name), "\ufeff")
		if _, twice := out.column[name]; twice {
			return nil, fmt.Errorf("%w: line 1: column %q stands twice", ErrRow, name)
		}
		out.column[name] = i
	}
	var lacking []string
	for _, name := range need {
		if _, ok := out.column[name]; !ok {
			lacking = append(lacking, name)
		}
	}
	if len(lacking) > 0 {
		return nil, fmt.Errorf("%w: line 1: missing column %s", ErrRow, strings.Join(lacking, ", "))
	}
	return out, nil
}

// next reads a row; io.EOF ends the file.
func (r *rows) next() error {
	row, err := r.csv.Read()
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	if err != nil {
		return rowError(err)
	}
	r.row = row
	r.line, _ = r.csv.FieldPos(0)
	return nil
}

// rowError says what is wrong with a row, without quoting it.
func rowError(err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return fmt.Errorf("%w: line %d: %w", ErrRow, p.Line, p.Err)
	}
	return err
}

func (r *rows) at(name string) string {
	i, ok := r.column[name]
	if !ok || i >= len(r.row) {
		return ""
	}
	return strings.TrimSpace(r.row[i])
}

// openRecords opens a file of records: all columns must be there but person_id, which is for evaluating.
func openRecords(r io.Reader) (*rows, error) {
	return open(r, slices.DeleteFunc(slices.Clone(Columns), func(c string) bool { return c == "person_id" })...)
}

// Read calls do with each record of r in turn and stops at the first error. Columns in without read as empty. The
// column person_id is never read. Errors: ErrRow with the line for a header or row that cannot be read, and those of do.
func Read(r io.Reader, without Without, do func(Record) error) error {
	return ReadDated(r, without, nil, do)
}

// ReadDated is Read of a file whose sources write the day first as ReadDayFirst found.
func ReadDated(r io.Reader, without Without, dayFirst DayFirst, do func(Record) error) error {
	in, err := openRecords(r)
	if err != nil {
		return err
	}
	for name := range without {
		delete(in.column, name)
	}
	delete(in.column, "person_id")
	in.dayFirst = dayFirst
	seen := map[string]int{}
	for {
		if err := in.next(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		rec := Record{ID: strings.Clone(in.at("record_id")), Line: in.line, Source: hie.SiteID(in.at("source"))}
		if rec.ID == "" {
			return fmt.Errorf("%w: line %d: record_id is empty", ErrRow, in.line)
		}
		if was, twice := seen[rec.ID]; twice {
			return fmt.Errorf("%w: line %d: record_id is the same as on line %d", ErrRow, in.line, was)
		}
		seen[rec.ID] = in.line
		rec.Demographics = in.demographics()
		if err := do(rec); err != nil {
			return err
		}
	}
}

// ReadTruth returns the truth of each row of r, in order. Errors as Read.
func ReadTruth(r io.Reader) ([]Truth, error) {
	in, err := open(r, "record_id", "person_id", "source")
	if err != nil {
		return nil, err
	}
	var out []Truth
	for {
		if err := in.next(); err != nil {
			if errors.Is(err, io.EOF) {
				return out, nil
			}
			return nil, err
		}
		out = append(out, Truth{strings.Clone(in.at("record_id")), strings.Clone(in.at("person_id")), strings.Clone(in.at("source"))})
	}
}
