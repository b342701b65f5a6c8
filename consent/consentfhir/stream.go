package consentfhir

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// maxLine bounds one case; a longer line is refused like any line that is no case.
const maxLine = 16 << 20

// DecideStream reads one case a line from r and writes one decision a line to w, in the same order, none
// skipped. It returns the first error of r or w.
//
// Source: spec consent-cases.
func DecideStream(r io.Reader, w io.Writer) error {
	in, out := bufio.NewReaderSize(r, 256<<10), bufio.NewWriterSize(w, 256<<10)
	workers := make([]Zones, runtime.GOMAXPROCS(0))
	var lines, answers [][]byte
	for {
		var readErr error
		lines, readErr = readBatch(in, lines[:0])
		answers = append(answers[:0], make([][]byte, len(lines))...)
		var wg sync.WaitGroup
		for i := range workers {
			wg.Go(func() {
				for n := i; n < len(lines); n += len(workers) {
					answers[n] = DecideLine(lines[n], &workers[i])
				}
			})
		}
		wg.Wait()
		for _, a := range answers {
			if _, err := out.Write(append(a, '\n')); err != nil {
				return fmt.Errorf("consentfhir: write: %w", err)
			}
		}
		switch {
		case errors.Is(readErr, io.EOF):
			return out.Flush()
		case readErr != nil:
			return fmt.Errorf("consentfhir: read: %w", readErr)
		}
		if in.Buffered() == 0 { // an interactive sender waits for its answers
			if err := out.Flush(); err != nil {
				return fmt.Errorf("consentfhir: write: %w", err)
			}
		}
	}
}

// readBatch reads at least one line and further ones as long as they are there already.
func readBatch(in *bufio.Reader, lines [][]byte) ([][]byte, error) {
	const most = 512
	for len(lines) < most {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return lines, err
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return lines, err
		}
		lines = append(lines, line)
		if err != nil {
			return lines, err
		}
		if in.Buffered() == 0 {
			break
		}
	}
	return lines, nil
}

// readLine reads to the next line end, which is not returned. A line that is too long comes back as "{", which is
// no case. At the end of input err is io.EOF, with what stood after the last line end.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	tooLong := false
	for {
		part, err := in.ReadSlice('\n')
		if !tooLong {
			line = append(line, part...)
		}
		if len(line) > maxLine {
			tooLong, line = true, []byte("{")
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return bytes.TrimSuffix(line, []byte("\n")), err
	}
}
