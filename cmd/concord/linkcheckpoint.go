package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"syscall"
)

// A linkCheckpoint is the file beside --out in which an interrupted link goes on: a line that says of what it is, then pieces, each
// behind its length and a checksum. It holds numbers of records and the model, no personal data. One process at a time has it.
type linkCheckpoint struct {
	name string
	f    *os.File
	in   *bufio.Reader // nil when all of an earlier run has been read
	at   int64         // where the next piece stands
}

const checkpointTitle = "concord link checkpoint "

// maxPiece bounds a piece: 2^30 records' groups.
const maxPiece = 1 << 32

// openCheckpoint opens the checkpoint beside out. One of another input, other options or another program is emptied, and discarded is
// true.
func openCheckpoint(out, identity string) (c *linkCheckpoint, discarded bool, err error) {
	c = &linkCheckpoint{name: out + ".checkpoint"}
	if c.f, err = os.OpenFile(c.name, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, false, err
	}
	if err := syscall.Flock(int(c.f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = c.f.Close()
		return nil, false, fmt.Errorf("%s: another concord link is writing it", c.name)
	}
	title := checkpointTitle + identity + "\n"
	was := make([]byte, len(title))
	n, err := io.ReadFull(c.f, was)
	switch {
	case err == nil && string(was) == title:
		c.at = int64(n)
		c.in = bufio.NewReaderSize(c.f, 1<<20)
		return c, false, nil
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		_ = c.f.Close()
		return nil, false, err
	}
	if err := c.begin(title); err != nil {
		_ = c.f.Close()
		return nil, false, err
	}
	return c, n > 0, nil
}

// begin makes the file empty but for its title.
func (c *linkCheckpoint) begin(title string) error {
	if err := c.cut(0); err != nil {
		return err
	}
	c.at = int64(len(title))
	_, err := c.f.WriteString(title)
	return err
}

// cut leaves out what stands from at on.
func (c *linkCheckpoint) cut(at int64) error {
	c.in = nil
	if err := c.f.Truncate(at); err != nil {
		return err
	}
	_, err := c.f.Seek(at, io.SeekStart)
	return err
}

// Next implements mpi.Checkpoint. What was being written when the earlier run ended is left out.
func (c *linkCheckpoint) Next() ([]byte, error) {
	if c.in == nil {
		return nil, nil
	}
	var head [12]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return nil, c.cut(c.at)
	}
	size := binary.LittleEndian.Uint64(head[:])
	if size == 0 || size > maxPiece {
		return nil, c.cut(c.at)
	}
	info, err := c.f.Stat()
	if err != nil {
		return nil, err
	}
	if c.at+int64(len(head))+int64(size) > info.Size() {
		return nil, c.cut(c.at)
	}
	piece := make([]byte, size)
	if _, err := io.ReadFull(c.in, piece); err != nil || crc32.ChecksumIEEE(piece) != binary.LittleEndian.Uint32(head[8:]) {
		return nil, c.cut(c.at)
	}
	c.at += int64(len(head)) + int64(size)
	return piece, nil
}

// Keep implements mpi.Checkpoint.
func (c *linkCheckpoint) Keep(piece []byte) error {
	head := binary.LittleEndian.AppendUint64(nil, uint64(len(piece)))
	head = binary.LittleEndian.AppendUint32(head, crc32.ChecksumIEEE(piece))
	_, err := c.f.Write(append(head, piece...))
	return err
}

// close lets go of the file; done removes it.
func (c *linkCheckpoint) close(done bool) error {
	if done {
		return errors.Join(os.Remove(c.name), c.f.Close())
	}
	return c.f.Close()
}
