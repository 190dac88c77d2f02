package ringo

type timerWheel struct{}

func (w *timerWheel) init(*loop) {}
