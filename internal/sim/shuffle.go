package sim

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// A sorted file's rows are put in the order of their keys, whatever the order they come in. Rows wait in buckets on
// disk, each a range of keys, so that only one bucket is ever in memory.
type sorted struct {
	path    string
	head    []byte
	bucket  func(key uint64) int
	buckets []*bufio.Writer
	files   []*os.File
	rows    int
}

// byKey returns the bucket of a key whose bits are all alike likely.
func byKey(n int) func(uint64) int {
	return func(key uint64) int { return int(key >> 32 * uint64(n) >> 32) }
}

// byTime returns the bucket of a key that is a time between firstVisit and Today, in seconds.
func byTime(n int) func(uint64) int {
	from, all := uint64(firstVisit.Unix()), uint64(Today.Sub(firstVisit)/time.Second)
	return func(key uint64) int { return int(min(max(key, from)-from, all-1) * uint64(n) / all) }
}

// newSorted begins a file at path whose first bytes are head. Errors leave nothing but the buckets, which
// [sorted.drop] removes.
func newSorted(path string, head string, n int, bucket func(int) func(uint64) int) (*sorted, error) {
	s := &sorted{path: path, head: []byte(head), bucket: bucket(n)}
	for i := range n {
		f, err := os.OpenFile(fmt.Sprintf("%s.part%d", path, i), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			s.drop()
			return nil, fmt.Errorf("sim: %w", err)
		}
		s.files, s.buckets = append(s.files, f), append(s.buckets, bufio.NewWriterSize(f, 32<<10))
	}
	return s, nil
}

// add keeps row, which ends in a newline where the file's rows do.
func (s *sorted) add(key uint64, row []byte) error {
	var head [12]byte
	binary.LittleEndian.PutUint64(head[:], key)
	binary.LittleEndian.PutUint32(head[8:], uint32(len(row)))
	w := s.buckets[s.bucket(key)]
	if _, err := w.Write(head[:]); err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	if _, err := w.Write(row); err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	s.rows++
	return nil
}

// finish writes the file and removes the buckets. Rows of one key keep the order they came in.
func (s *sorted) finish() error {
	defer s.drop()
	out, err := os.OpenFile(s.path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	w := bufio.NewWriterSize(out, 1<<20)
	_, err = w.Write(s.head)
	for i, f := range s.files {
		if err != nil {
			break
		}
		if err = s.buckets[i].Flush(); err == nil {
			err = sortBucket(f, w)
		}
	}
	if err == nil {
		err = w.Flush()
	}
	if e := out.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(s.path+".part", s.path)
	}
	if err != nil {
		_ = os.Remove(s.path + ".part") // what is half is of no use
		return fmt.Errorf("sim: %w", err)
	}
	return nil
}

func sortBucket(f *os.File, w io.Writer) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	all, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	type row struct {
		key  uint64
		text []byte
	}
	var rows []row
	for len(all) > 0 {
		n := 12 + int(binary.LittleEndian.Uint32(all[8:]))
		if n > len(all) {
			return errors.New("a bucket was cut short")
		}
		rows = append(rows, row{binary.LittleEndian.Uint64(all), all[12:n]})
		all = all[n:]
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		if a.key != b.key {
			if a.key < b.key {
				return -1
			}
			return 1
		}
		return 0
	})
	for _, r := range rows {
		if _, err := w.Write(r.text); err != nil {
			return err
		}
	}
	return nil
}

// drop removes the buckets.
func (s *sorted) drop() {
	for _, f := range s.files {
		_ = f.Close()           // read to its end or of no use
		_ = os.Remove(f.Name()) // a bucket that stays is said by the next run, which writes over it
	}
	s.files = nil
}

// csvRow appends fields as one line of RFC 4180 CSV to b.
func csvRow(b []byte, fields ...string) []byte {
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		if bytes.ContainsAny([]byte(f), ",\"\r\n") {
			b = append(b, '"')
			b = append(b, bytes.ReplaceAll([]byte(f), []byte{'"'}, []byte{'"', '"'})...)
			b = append(b, '"')
			continue
		}
		b = append(b, f...)
	}
	return append(b, '\n')
}
