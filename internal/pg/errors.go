package pg

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/concord-hie/concord/hie"
	"github.com/lib/pq"
)

// An Error is what is kept of a server's error: its SQLSTATE. Message, detail and constraint are dropped,
// since they quote rows, and since names of constraints differ between PostgreSQL and Citus.
type Error struct {
	// State is the five-character SQLSTATE.
	State string
}

func (e *Error) Error() string { return "pg: SQLSTATE " + e.State }

// Is maps states to the kinds of package hie: connection trouble, shutdown and resource exhaustion are
// hie.ErrUnavailable.
func (e *Error) Is(target error) bool {
	if target != hie.ErrUnavailable || len(e.State) != 5 {
		return false
	}
	switch e.State[:2] {
	case "08", "53", "57", "58":
		return e.State != "57014"
	}
	return false
}

// IsUnique reports whether err is a unique violation (23505).
func IsUnique(err error) bool { return hasState(err, "23505") }

func hasState(err error, states ...string) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	for _, s := range states {
		if e.State == s {
			return true
		}
	}
	return false
}

// retryable are the states after which the whole transaction may simply be run again:
// serialization failure and deadlock.
func retryable(err error) bool { return hasState(err, "40001", "40P01") }

// Clean turns an error of the plain handles ([DB.SQL]) into one that may be logged; nil stays nil.
func Clean(ctx context.Context, err error) error { return clean(ctx, err) }

// clean turns a driver error into one that may be logged. A cancelled or timed-out context shows as the
// context's own error, which lib/pq reports as 57014.
func clean(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctxErr := ctx.Err(); ctxErr != nil {
		return fmt.Errorf("pg: %w", ctxErr)
	}
	var pe *pq.Error
	switch {
	case errors.As(err, &pe):
		return &Error{State: string(pe.Code)}
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("pg: %w", hie.ErrNotFound)
	case errors.Is(err, sql.ErrTxDone), errors.Is(err, sql.ErrConnDone), errors.Is(err, driver.ErrBadConn),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return fmt.Errorf("pg: connection lost: %w", hie.ErrUnavailable)
	}
	var ne net.Error
	if errors.As(err, &ne) {
		return fmt.Errorf("pg: connection failed: %w", hie.ErrUnavailable)
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	return fmt.Errorf("pg: driver error of type %T", err) // the text may quote a value
}
