module frontbench

go 1.21
