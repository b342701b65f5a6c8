package hie

import (
	"fmt"
	"log/slog"
)

// Private is embedded by types that hold personal data. A value of such a type prints and logs as "[phi]"
// and refuses to be marshalled: adapters have wire structs for that. Fields stay exported, since fmt cannot
// redact unexported ones.
type Private struct{}

const redacted = "[phi]"

// Format prints "[phi]" whatever the verb.
func (Private) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String returns "[phi]".
func (Private) String() string { return redacted }

// LogValue returns "[phi]".
func (Private) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON always fails: personal data leaves through an adapter's wire struct or not at all.
func (Private) MarshalJSON() ([]byte, error) { return nil, errPrivate }

// MarshalText always fails, as MarshalJSON.
func (Private) MarshalText() ([]byte, error) { return nil, errPrivate }

var errPrivate = fmt.Errorf("hie: private value must not be marshalled")
