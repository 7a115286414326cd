package providertest

import (
	"testing"

	"accord/providers"
)

func TestMemoryInProcess(t *testing.T) {
	Run(t, MemoryTarget(func(t *testing.T, m *Memory) func(*testing.T) providers.Provider {
		return func(t *testing.T) providers.Provider { return m.Provider() }
	}))
}
