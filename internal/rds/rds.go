// Package rds is the only owner of go-redis: once-only keys, rate limits and short-lived caches.
//
// Redis may vanish at any time. Losing it costs speed, never correctness: a cache answers "not here", a rate limit
// is kept on this node alone, and a once-only key cannot be had, so whoever needs one refuses (fails closed).
// A failover may lose the last writes; whatever must never repeat beyond its window is claimed in PostgreSQL.
//
// Every key is one hash tag over a digest: values of callers, personal data among them, never become key text, and
// each call touches one slot of a cluster.
//
// Source: DESIGN idea 9; spec scale-out section 10.
package rds

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// A Client is a pool of connections to one Redis, a Sentinel group or a Cluster. It is safe for use by many
// goroutines.
type Client struct {
	rdb redis.UniversalClient
	// downUntil is when the next try is due after a failure, in Unix nanoseconds: caches and limits then do
	// without Redis rather than make every request wait.
	downUntil atomic.Int64
}

const (
	// onceTimeout is how long a once-only key is worth waiting for, since the caller must refuse without it;
	// quickTimeout how long a cache or a limit is, which can be done without.
	onceTimeout  = 2 * time.Second
	quickTimeout = 200 * time.Millisecond
	downFor      = time.Second
)

// Open returns a Client for rawURL without connecting:
//
//	redis://user:password@host:6379/0                    one server (rediss:// with TLS)
//	redis://host1:6379,host2:6379/?cluster=true          a Cluster, from any of its nodes
//	redis://host1:26379,host2:26379/0?master=NAME        the master NAME of a Sentinel group
//
// Error text never quotes the URL, which holds the password.
func Open(rawURL string) (*Client, error) {
	o, err := options(rawURL)
	if err != nil {
		return nil, err
	}
	silence.Do(func() { redis.SetLogger(quiet{}) })
	return &Client{rdb: redis.NewUniversalClient(o)}, nil
}

// quiet drops the driver's own log lines: failures are returned, and its text names addresses.
type quiet struct{}

// Printf implements the driver's logger.
func (quiet) Printf(context.Context, string, ...any) {}

// silence guards the driver's one process-wide setting.
var silence sync.Once

func options(rawURL string) (*redis.UniversalOptions, error) {
	scheme, rest, _ := strings.Cut(rawURL, "://")
	if scheme != "redis" && scheme != "rediss" {
		return nil, errors.New("rds: the Redis URL must begin with redis:// or rediss://")
	}
	rest, query, _ := strings.Cut(rest, "?")
	rest, path, _ := strings.Cut(rest, "/")
	user, hosts, found := cutLast(rest, "@")
	if !found {
		user, hosts = "", rest
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("rds: the Redis URL's parameters cannot be read")
	}
	for name := range values {
		if name != "cluster" && name != "master" {
			return nil, errors.New("rds: the Redis URL has a parameter other than cluster and master")
		}
	}
	o := &redis.UniversalOptions{
		DialTimeout: onceTimeout, ReadTimeout: onceTimeout, WriteTimeout: onceTimeout, PoolTimeout: onceTimeout,
		DialerRetries: 1, MaxRetries: 1, ContextTimeoutEnabled: true, DisableIdentity: true, PoolSize: 32,
		IsClusterMode: values.Get("cluster") == "true", MasterName: values.Get("master"),
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	for h := range strings.SplitSeq(hosts, ",") {
		if h == "" {
			return nil, errors.New("rds: the Redis URL names no host")
		}
		if _, _, err := net.SplitHostPort(h); err != nil {
			h = net.JoinHostPort(strings.Trim(h, "[]"), "6379")
		}
		o.Addrs = append(o.Addrs, h)
	}
	if len(o.Addrs) > 1 && !o.IsClusterMode && o.MasterName == "" {
		return nil, errors.New("rds: a Redis URL of several hosts needs ?cluster=true or ?master=NAME")
	}
	if path != "" {
		if o.DB, err = strconv.Atoi(path); err != nil || o.DB < 0 || (o.IsClusterMode && o.DB != 0) {
			return nil, errors.New("rds: the Redis URL's path must be a database number, and a Cluster has only 0")
		}
	}
	name, password, _ := strings.Cut(user, ":")
	if o.Username, err = url.PathUnescape(name); err != nil {
		return nil, errors.New("rds: the Redis URL's user cannot be read")
	}
	if o.Password, err = url.PathUnescape(password); err != nil {
		return nil, errors.New("rds: the Redis URL's password cannot be read")
	}
	if scheme == "rediss" {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return o, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// Close ends all connections.
func (c *Client) Close() error { return c.rdb.Close() }

// Ping asks whether Redis answers; hie.ErrUnavailable when it does not.
func (c *Client) Ping(ctx context.Context) error {
	if err := c.rdb.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("rds: ping: %w", hie.ErrUnavailable)
	}
	return nil
}

// Once claims (space, parts) for ttl and reports whether this call was the first to claim it. Of any number of
// callers on any number of nodes exactly one is told true. parts is taken as a list: ("a","b") is not ("ab",""). An
// error is hie.ErrUnavailable: whether the claim was made is then unknown, and the caller must refuse. A claim whose
// answer was lost and that was sent again finds itself and is told false: refused once too often, never granted twice.
//
// since is when Redis' memory of such claims begins, by the clock of the node that noticed: it is flushed, or restarted
// empty, or has lost a failover. Something claimed before since may be told to be first once more, so who knows that it
// could have been must refuse. [Client.Remembers] says so of a space that is known to be new.
func (c *Client) Once(ctx context.Context, space string, ttl time.Duration, parts ...string) (first bool, since time.Time, err error) {
	if ttl <= 0 {
		return false, since, errors.New("rds: once: needs a positive time to live")
	}
	ctx, cancel := context.WithTimeout(ctx, onceTimeout)
	defer cancel()
	digest := digestOf(parts)
	mark := beginning(space, digest[0])
	var claim *redis.BoolCmd
	var began *redis.StringCmd
	_, err = c.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error { // one slot: mark and claim are kept and lost together
		p.SetNX(ctx, mark, time.Now().UnixMilli(), 0)
		began = p.Get(ctx, mark)
		claim = p.SetNX(ctx, strings.TrimSuffix(mark, "since")+base64.RawURLEncoding.EncodeToString(digest[:18]), 1, ttl)
		return nil
	})
	if err != nil {
		return false, since, fmt.Errorf("rds: once: %w", hie.ErrUnavailable) // the driver's text may name the key
	}
	ms, err := began.Int64()
	if err != nil {
		return false, since, fmt.Errorf("rds: once: %w", hie.ErrUnavailable)
	}
	return claim.Val(), time.UnixMilli(ms), nil
}

// Remembers says that nothing in space was claimed before since that is not known here. What is known to be older stays.
func (c *Client) Remembers(ctx context.Context, space string, since time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, onceTimeout)
	defer cancel()
	for b := range buckets {
		if err := c.rdb.SetNX(ctx, beginning(space, byte(b)), since.UnixMilli(), 0).Err(); err != nil {
			return fmt.Errorf("rds: remembers: %w", hie.ErrUnavailable)
		}
	}
	return nil
}

// buckets is over how many slots of a Cluster the claims of a space are spread, each with a mark of when it begins.
const buckets = 16

// beginning is the key of the mark of the bucket that a digest beginning with first lies in.
func beginning(space string, first byte) string {
	return space + ":{" + space + strconv.Itoa(int(first)%buckets) + "}:since"
}

// key returns "space:{digest}". Every part is preceded by its length, so no two lists share a digest.
func key(space string, parts ...string) string {
	digest := digestOf(parts)
	return space + ":{" + base64.RawURLEncoding.EncodeToString(digest[:18]) + "}"
}

// digestOf digests parts as a list.
func digestOf(parts []string) [sha256.Size]byte {
	h := sha256.New()
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		_, _ = h.Write(n[:])
		_, _ = h.Write([]byte(p))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// resting reports whether Redis failed a moment ago.
func (c *Client) resting() bool { return time.Now().UnixNano() < c.downUntil.Load() }

// quick bounds a call that can be done without.
func quick(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, quickTimeout)
}

// failed notes that a quick call got no answer, unless its caller gave up by itself.
func (c *Client) failed(caller context.Context) {
	if caller.Err() == nil {
		c.downUntil.Store(time.Now().Add(downFor).UnixNano())
	}
}
