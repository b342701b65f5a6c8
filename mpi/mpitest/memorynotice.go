package mpitest

import (
	"context"
	"maps"
	"slices"

	"github.com/concord-hie/concord/mpi"
)

// NoticeReaders implements mpi.Reader.
func (m *Memory) NoticeReaders(ctx context.Context) ([]mpi.NoticeReader, error) {
	return locked(m, func() ([]mpi.NoticeReader, error) { return m.tables.NoticeReaders(ctx) })
}

// NoticeBounds implements mpi.Reader.
func (m *Memory) NoticeBounds(ctx context.Context) (pruned, end mpi.Cursor, err error) {
	_, err = locked(m, func() (struct{}, error) {
		pruned, end, err = m.tables.NoticeBounds(ctx)
		return struct{}{}, err
	})
	return pruned, end, err
}

func (t *tables) NoticeReaders(context.Context) ([]mpi.NoticeReader, error) {
	var out []mpi.NoticeReader
	for _, name := range slices.Sorted(maps.Keys(t.readers)) {
		out = append(out, t.readers[name])
	}
	return out, nil
}

func (t *tables) NoticeBounds(context.Context) (pruned, end mpi.Cursor, err error) {
	if end = t.pruned; len(t.notices) > 0 {
		end = t.notices[len(t.notices)-1].Cursor
	}
	return t.pruned, end, nil
}

func (t *memoryTx) PutNoticeReader(_ context.Context, r mpi.NoticeReader) error {
	set(t, t.readers, r.Name, r, true)
	return nil
}

func (t *memoryTx) RemoveNoticeReader(_ context.Context, name string) error {
	set(t, t.readers, name, mpi.NoticeReader{}, false)
	return nil
}

func (t *memoryTx) DropNotices(_ context.Context, upTo mpi.Cursor) error {
	before, pruned := t.notices, t.pruned
	t.undo = append(t.undo, func() { t.notices, t.pruned = before, pruned })
	t.notices = slices.DeleteFunc(slices.Clone(t.notices), func(n mpi.Notice) bool { return !upTo.Before(n.Cursor) })
	t.pruned = upTo
	return nil
}
