package rds

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/redis/go-redis/v9"
)

// A Keep holds values that somebody needs to go on, such as a session: unlike a [Cache] it never answers "not here"
// when Redis cannot be asked. What it loses has to be made anew by whoever owns it (by signing in again).
//
// Names are digested and never become key text; values are the caller's to seal.
type Keep struct {
	c     *Client
	space string
}

// Keep returns a Keep whose entries are apart from those of other spaces.
func (c *Client) Keep(space string) *Keep { return &Keep{c: c, space: "keep:" + space} }

// Put keeps value under name for ttl, in place of what was there. An error is hie.ErrUnavailable.
func (k *Keep) Put(ctx context.Context, name string, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return errors.New("rds: keep: needs a positive time to live")
	}
	ctx, cancel := context.WithTimeout(ctx, onceTimeout)
	defer cancel()
	if err := k.c.rdb.Set(ctx, key(k.space, name), value, ttl).Err(); err != nil {
		return fmt.Errorf("rds: keep: %w", hie.ErrUnavailable)
	}
	return nil
}

// Get returns what is kept under name: hie.ErrNotFound when nothing is, hie.ErrUnavailable when that cannot be told.
func (k *Keep) Get(ctx context.Context, name string) ([]byte, error) {
	return k.read(ctx, name, k.c.rdb.Get)
}

// Take is Get and removes the value: of several callers one gets it.
func (k *Keep) Take(ctx context.Context, name string) ([]byte, error) {
	return k.read(ctx, name, k.c.rdb.GetDel)
}

func (k *Keep) read(ctx context.Context, name string, command func(context.Context, string) *redis.StringCmd) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, onceTimeout)
	defer cancel()
	raw, err := command(ctx, key(k.space, name)).Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, fmt.Errorf("rds: keep: %w", hie.ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("rds: keep: %w", hie.ErrUnavailable)
	}
	return raw, nil
}

// Remove forgets name. An error is hie.ErrUnavailable.
func (k *Keep) Remove(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, onceTimeout)
	defer cancel()
	if err := k.c.rdb.Del(ctx, key(k.space, name)).Err(); err != nil {
		return fmt.Errorf("rds: keep: %w", hie.ErrUnavailable)
	}
	return nil
}
