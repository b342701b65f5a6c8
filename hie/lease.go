package hie

import "time"

// ReleaseLease is how long what a release gate has read of consents, labels and links may be acted on: a byte begins to
// leave within that time of the look, or it is looked at again. Whoever takes something back (a consent, a label, a link)
// acknowledges it only when every lease that could have begun before has ended, so nothing leaves under the old rules after
// the acknowledgement.
//
// Source: spec consent 2.14 (read lease); DESIGN idea 8.
const ReleaseLease = 8 * time.Millisecond
