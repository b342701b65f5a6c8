package locatorpg

import (
	"context"
	"errors"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// A publication is one publisher's deposit on its way through a transaction it may share with others.
type publication struct {
	locator.Deposit
	done []locator.Published
	// err is what speaks against this publication alone.
	err error
}

const (
	// maxTogether is up to how many documents a publication shares a transaction.
	maxTogether = 4
	// publishPatience bounds how long a publisher waits for a shared transaction.
	publishPatience = 10 * time.Second
)

// shareable reports whether d touches nothing but its own new rows, so that nothing of others can be in its way.
func shareable(d locator.Deposit) bool {
	if len(d.Lists) > 0 || len(d.Documents) > maxTogether {
		return false
	}
	for _, doc := range d.Documents {
		if len(doc.Pointer.Relations) > 0 || doc.Render != nil {
			return false
		}
	}
	return true
}

// together stores d, perhaps in one transaction with what others publish at the same time.
func (s *Store) together(ctx context.Context, d locator.Deposit) ([]locator.Published, error) {
	p := &publication{Deposit: d}
	if err := s.publications.Do(ctx, p); err != nil {
		return nil, err
	}
	return p.done, p.err
}

// share stores all of batch in one transaction. Whatever goes wrong there that is not the database's own trouble may be
// one publisher's fault, and is not to be another's: then each goes alone, and has its own answer.
func (s *Store) share(ctx context.Context, batch []*publication) error {
	if len(batch) == 1 {
		batch[0].done, batch[0].err = s.alone(ctx, batch[0].Deposit)
		return nil
	}
	all, distinct := joined(batch)
	if distinct {
		done, err := s.deposit(ctx, all)
		if err == nil {
			for _, p := range batch {
				p.done, done = done[:len(p.Documents):len(p.Documents)], done[len(p.Documents):]
			}
			return nil
		}
		if errors.Is(err, hie.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
	}
	for _, p := range batch {
		p.done, p.err = s.alone(ctx, p.Deposit)
	}
	return nil
}

// joined makes one deposit of all of batch; distinct is false when two of them publish the same document.
func joined(batch []*publication) (all locator.Deposit, distinct bool) {
	claims := map[locator.Claim]bool{}
	n := 0
	for _, p := range batch {
		all.Documents = append(all.Documents, p.Documents...)
		for _, d := range p.Documents {
			claims[d.Claim] = true
			n++
		}
		if p.Now.After(all.Now) {
			all.Now = p.Now
		}
	}
	all.Events = func(done []locator.Published) []audit.Event {
		var out []audit.Event
		for _, p := range batch {
			out = append(out, p.Events(done[:len(p.Documents)])...)
			done = done[len(p.Documents):]
		}
		return out
	}
	return all, len(claims) == n
}
