package langchaingo

// Held tells how many calls the agent holds for executors.
func (a *Agent) Held() int {
	a.turns.mu.Lock()
	defer a.turns.mu.Unlock()
	return len(a.turns.calls)
}

var (
	FunctionName = functionName
	MaxHeld      = maxHeld
)
