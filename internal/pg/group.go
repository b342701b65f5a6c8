package pg

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// A Group lets callers who commit things of one kind at the same time share transactions, so that a busy node commits far
// fewer of them than there are things. Nobody waits for company: who comes while fewer than the most transactions run
// begins one at once with what waits by then. A Group is safe for use by many goroutines and has none of its own.
type Group[T any] struct {
	commit func(ctx context.Context, items []T) error
	weight func(T) int
	most   GroupLimits

	mu      sync.Mutex
	waiting []*grouped[T] // those no writer has taken yet, in the order they came
	writers int           // callers that write now
}

// GroupLimits bound a Group. All are needed.
type GroupLimits struct {
	// Writers is how many transactions run at once: with two, one gathers while the other waits for the disk.
	Writers int
	// Weight bounds the items of one transaction by their weights together; a heavier one goes alone.
	Weight int
	// Patience bounds how long a caller waits for its turn, and how long its transaction may take.
	Patience time.Duration
}

// NewGroup returns a Group. commit stores all of its items or none; weight says what one counts for.
func NewGroup[T any](most GroupLimits, weight func(T) int, commit func(ctx context.Context, items []T) error) *Group[T] {
	return &Group[T]{commit: commit, weight: weight, most: most}
}

// A grouped item is what one caller wants committed. turn is sent true when its caller is to write it, with whoever waits
// then, and false when another has written it and err is settled.
type grouped[T any] struct {
	item T
	turn chan bool
	err  error
}

// errBroken is what those get whose writer panicked: whether their items were committed is not known.
var errBroken = errors.New("pg: group: a transaction broke off")

// Do commits item, perhaps with others, and returns commit's error. It goes on when the caller's ctx ends, within a time
// of its own. A caller whose turn does not come in time gets context.DeadlineExceeded, and its item is not committed.
func (g *Group[T]) Do(ctx context.Context, item T) error {
	mine := &grouped[T]{item: item, turn: make(chan bool, 1)}
	g.mu.Lock()
	write := g.writers < g.most.Writers
	if write {
		g.writers++
	} else {
		g.waiting = append(g.waiting, mine)
	}
	g.mu.Unlock()
	if !write {
		patience := time.NewTimer(g.most.Patience)
		defer patience.Stop()
		select {
		case write = <-mine.turn:
		case <-patience.C:
			if g.withdraw(mine) {
				return context.DeadlineExceeded
			}
			write = <-mine.turn // it has been taken, and will be settled
		}
	}
	if write {
		g.write(context.WithoutCancel(ctx), mine)
	}
	return mine.err
}

// Idle reports whether nobody writes or waits.
func (g *Group[T]) Idle() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.writers == 0 && len(g.waiting) == 0
}

// withdraw takes mine back out of the queue, unless it is no longer there.
func (g *Group[T]) withdraw(mine *grouped[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, mine)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	return i >= 0
}

// write commits mine with those that wait, settles them in whatever way commit ends, and passes the turn to the first that came
// meanwhile.
func (g *Group[T]) write(ctx context.Context, mine *grouped[T]) {
	ctx, cancel := context.WithTimeout(ctx, g.most.Patience)
	defer cancel()
	g.mu.Lock()
	batch := append([]*grouped[T]{mine}, g.take(g.most.Weight-g.weight(mine.item))...)
	g.mu.Unlock()
	err := errBroken
	defer func() {
		mine.err = err
		for _, e := range batch[1:] {
			e.err = err
			e.turn <- false
		}
		g.pass()
	}()
	items := make([]T, len(batch))
	for i, e := range batch {
		items[i] = e.item
	}
	err = g.commit(ctx, items)
}

// pass gives the turn of a writer that has done to the first that waits.
func (g *Group[T]) pass() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.writers--
		return
	}
	next := g.waiting[0]
	g.waiting = g.waiting[1:]
	next.turn <- true
}

// take removes entries of up to room together from the head of the queue.
func (g *Group[T]) take(room int) []*grouped[T] {
	n := 0
	for n < len(g.waiting) && g.weight(g.waiting[n].item) <= room {
		room -= g.weight(g.waiting[n].item)
		n++
	}
	batch := slices.Clone(g.waiting[:n])
	g.waiting = g.waiting[n:]
	return batch
}
