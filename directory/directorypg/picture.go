package directorypg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directoryjson"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// keep adds the picture n, which holds since then, unless it is kept already.
func keep(ctx context.Context, q pg.Querier, n *directory.Network, since time.Time) error {
	_, err := q.Exec(ctx, `insert into directory.picture (version, since, content) values ($1, $2, $3) on conflict (version) do nothing`,
		n.Version(), since, directoryjson.Write(n.File()))
	return err
}

// LoadAt returns the picture that held at an instant. kept is false when none is kept from then: the picture is then the
// earliest there is.
func (s *Store) LoadAt(ctx context.Context, at time.Time) (n *directory.Network, kept bool, _ error) {
	fail := func(err error) (*directory.Network, bool, error) {
		return nil, false, fmt.Errorf("directory: load at: %w", err)
	}
	var version int64
	var content []byte
	err := s.db.QueryRow(ctx, `select version, content from directory.picture where since <= $1 order by version desc limit 1`, at).Scan(&version, &content)
	if kept = err == nil; errors.Is(err, hie.ErrNotFound) {
		err = s.db.QueryRow(ctx, `select version, content from directory.picture order by version limit 1`).Scan(&version, &content)
	}
	if errors.Is(err, hie.ErrNotFound) { // nothing was applied since pictures are kept
		n, err = s.Load(ctx)
		return n, false, err
	}
	if err != nil {
		return fail(err)
	}
	f, err := directoryjson.Read(content)
	if err != nil {
		return fail(err)
	}
	for i, s := range f.Sites {
		if s.Membership == "" { // from before there were memberships: every site was live
			f.Sites[i].Membership = directory.Live
		}
	}
	if n, err = f.Network(version); err != nil {
		return fail(err)
	}
	return n, kept, nil
}
