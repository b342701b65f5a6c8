package locatortest

import (
	"testing"

	"github.com/concord-hie/concord/locator"
)

func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) locator.Store { return new(Memory) })
}
