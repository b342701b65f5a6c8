package rds

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// A Cache keeps values that belong to a version of what they were computed from. A value of another version is not
// found, so nothing has to be deleted when the version moves. When Redis is gone everything is "not here".
type Cache struct {
	c     *Client
	space string
	ttl   time.Duration
}

// Cache returns a cache whose entries are apart from those of other spaces and live at most ttl.
func (c *Client) Cache(space string, ttl time.Duration) *Cache {
	return &Cache{c: c, space: "cache:" + space, ttl: ttl}
}

// Get returns what Put kept under name at version, or false.
func (k *Cache) Get(ctx context.Context, name string, version int64) ([]byte, bool) {
	if k.c.resting() {
		return nil, false
	}
	call, cancel := quick(ctx)
	defer cancel()
	raw, err := k.c.rdb.Get(call, key(k.space, name)).Bytes()
	if err != nil {
		if !errors.Is(err, redis.Nil) {
			k.c.failed(ctx)
		}
		return nil, false
	}
	if len(raw) < 8 || binary.BigEndian.Uint64(raw) != uint64(version) {
		return nil, false
	}
	return raw[8:], true
}

// Put keeps value under name for version in place of any other version. It may fail silently: a cache is never
// needed.
func (k *Cache) Put(ctx context.Context, name string, version int64, value []byte) {
	if k.c.resting() {
		return
	}
	var b bytes.Buffer
	_ = binary.Write(&b, binary.BigEndian, version) // a Buffer does not fail
	b.Write(value)
	call, cancel := quick(ctx)
	defer cancel()
	if err := k.c.rdb.Set(call, key(k.space, name), b.Bytes(), k.ttl).Err(); err != nil {
		k.c.failed(ctx)
	}
}
