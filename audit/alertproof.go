package audit

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"

	"github.com/concord-hie/concord/hie"
)

// An AlertProof is how far the proof has come that an address for alerts is the patient's: a code is mailed there, and typed
// where the patient has signed in. The zero proof is no code sent.
type AlertProof struct {
	// Hash is of the last code sent, "" for none; Sent is when.
	Hash string
	Sent time.Time
	// Tries counts wrong guesses at it, Count the codes sent in a row, each within a day of the one before.
	Tries, Count int
}

// How long a code can be used, how often it may be guessed, and how often one may be sent: an address may be somebody else's,
// who wants no mail from us.
const (
	CodeLife  = time.Hour
	codeTries = 5
	codePause = time.Minute
	codeCount = 5
	codeDay   = 24 * time.Hour
)

// MayAsk reports whether another code may be sent at now.
func (p AlertProof) MayAsk(now time.Time) bool {
	since := now.Sub(p.Sent)
	return p.Sent.IsZero() || since >= codeDay || since >= codePause && p.Count < codeCount
}

// Ask returns a new code for record, eight digits, and the proof that waits for it.
func (p AlertProof) Ask(record hie.SourcePatientID, now time.Time) (code string, next AlertProof) {
	n, err := rand.Int(rand.Reader, big.NewInt(1e8))
	if err != nil {
		panic("audit: no randomness: " + err.Error()) // crypto/rand never fails on a working system
	}
	code = fmt.Sprintf("%08d", n)
	next = AlertProof{Hash: codeHash(record, code), Sent: now, Count: 1}
	if !p.Sent.IsZero() && now.Sub(p.Sent) < codeDay {
		next.Count = p.Count + 1
	}
	return code, next
}

// Waits reports whether a code can still be typed at now.
func (p AlertProof) Waits(now time.Time) bool {
	return p.Hash != "" && now.Sub(p.Sent) < CodeLife && p.Tries < codeTries
}

// Proves reports whether code, typed at now, is the one that was sent to record's address.
func (p AlertProof) Proves(record hie.SourcePatientID, code string, now time.Time) bool {
	return p.Waits(now) && subtle.ConstantTimeCompare([]byte(codeHash(record, code)), []byte(p.Hash)) == 1
}

func codeHash(record hie.SourcePatientID, code string) string {
	sum := sha256.Sum256([]byte("alert code " + record.String() + " " + code))
	return hex.EncodeToString(sum[:])
}
