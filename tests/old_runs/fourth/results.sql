BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0003');
CREATE TABLE curves (
	run_id VARCHAR(32) NOT NULL, 
	number INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	seconds FLOAT NOT NULL, 
	bits_per_byte FLOAT NOT NULL, 
	PRIMARY KEY (run_id, number, step), 
	FOREIGN KEY(run_id, number) REFERENCES evaluations (run_id, number)
);
INSERT INTO "curves" VALUES('18ebbd542c00143d',0,1,2.66545800113817676901e-02,7.91081325889824782393e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',0,2,5.71019540075212717056e-02,7.53522378733197673028e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',0,3,7.99346679996233433485e-02,7.19820727263182);
INSERT INTO "curves" VALUES('18ebbd542c00143d',1,1,3.4318413003347814083e-02,7.90895997385255);
INSERT INTO "curves" VALUES('18ebbd542c00143d',1,2,0.0732631940045394,7.68076307372872335577e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',1,3,1.04936932999407872557e-01,7.42684169661944171281e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',2,1,2.79394009994575753808e-02,7.92402771785994186615e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',2,2,5.35140430001774802803e-02,7.86021114750018501382e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',2,3,9.08750499947927892208e-02,7.82851749666858331977e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',3,1,2.51146210066508501768e-02,7.95680210766956630408e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',3,2,6.0579972006962634623e-02,7.71122945636376844191e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',3,3,9.34849329933058470487e-02,7.47766325788000507657e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',4,1,2.95843959902413189411e-02,7.92794273092418322335e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',4,2,5.06882299814606085419e-02,7.93974899594061334084e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',4,3,0.0778126659715781,7.90046540676113373535e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',5,1,3.14299579913495108485e-02,7.9444730153945126716e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',5,2,5.04061629908392205834e-02,7.77775234571750306855e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',5,3,0.0689156079897657,7.62457840548365428645e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',6,1,2.41487309976946562528e-02,7.92402771785994186615e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',6,2,4.88196249934844672679e-02,7.82568115879055348216e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',6,3,7.61229259951505810022e-02,7.77101406545669792791e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',7,1,3.61600290052592754364e-02,7.94132022943889559485e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',7,2,6.57921160018304362893e-02,7.85615235693982238984e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',7,3,9.69832809932995587587e-02,7.82104932203751701536e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',8,1,2.53758580074645578861e-02,7.92050964075389263285e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',8,2,5.98171629972057417035e-02,7.49762700399216);
INSERT INTO "curves" VALUES('18ebbd542c00143d',8,3,9.81692560017108917236e-02,6.83509135876732809578e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',9,1,3.62408179935300722718e-02,7.9184375937762974118e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',9,2,7.12669380009174346923e-02,7.68348865477959730441e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',9,3,9.61629360099323093891e-02,7.48649835062012947162e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',10,1,3.47187349980231374502e-02,7.9061594083659);
INSERT INTO "curves" VALUES('18ebbd542c00143d',10,2,7.04119319998426362872e-02,7.59638013004818812845e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',10,3,9.6331464999821037054e-02,7.30203663861071561314e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',11,1,3.67948990024160593748e-02,7.99496918547964430246e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',11,2,7.62566939956741407513e-02,7.61612786595085911045e+00);
INSERT INTO "curves" VALUES('18ebbd542c00143d',11,3,1.10582438006531447172e-01,7.18708893821884142738e+00);
CREATE TABLE evaluations (
	run_id VARCHAR(32) NOT NULL, 
	number INTEGER NOT NULL, 
	genome_id VARCHAR(12) NOT NULL, 
	rung INTEGER NOT NULL, 
	seed BIGINT NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	metrics JSON NOT NULL, 
	worker VARCHAR(200) NOT NULL, 
	device VARCHAR(64) NOT NULL, 
	submitted FLOAT NOT NULL, 
	started FLOAT, 
	ended FLOAT, 
	submitted_event INTEGER NOT NULL, 
	ended_event INTEGER, 
	PRIMARY KEY (run_id, number), 
	FOREIGN KEY(run_id, genome_id) REFERENCES genomes (run_id, id), 
	UNIQUE (run_id, genome_id, rung, seed), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "evaluations" VALUES('18ebbd542c00143d',0,'7b58ca1d59d3',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16544, "flops_per_token": 44189.25, "state_size": 4096, "bits_per_byte": 7.164515183397193, "step_time": 23.557472598622553, "train_seconds": 0.07993926500785165, "train_tokens": 384}','host:1','cpu',1.79573704695116662978e+09,1.79573704697324776653e+09,1.79573705069493412969e+09,0,1);
INSERT INTO "evaluations" VALUES('18ebbd542c00143d',1,'984be82f009c',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16032, "flops_per_token": 43037.25, "state_size": 4096, "bits_per_byte": 7.398830538308115, "step_time": 32.155980393872596, "train_seconds": 0.1049428020050982, "train_tokens": 384}','host:1','cpu',1.79573705070823454862e+09,1.79573705070841145516e+09,1.79573705137339043619e+09,2,3);
INSERT INTO "evaluations" VALUES('18ebbd542c00143d',2,'c33ef7e4a42c',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16544, "flops_per_token": 43165.25, "state_size": 4096, "bits_per_byte": 7.831324253530664, "step_time": 26.00635499402415, "train_seconds": 0.09087913599796593, "train_tokens": 384}','host:1','cpu',1.79573705137588024135e+09,1.79573705137606811528e+09,1.79573705199738717082e+09,4,5);
INSERT INTO "evaluations" VALUES('18ebbd542c00143d',3,'ce5404658d40',0,673228719,'finished','','','{"train_steps": 3, "parameters": 14496, "flops_per_token": 39581.25, "state_size": 4096, "bits_per_byte": 7.461129533756658, "step_time": 26.6321671922924, "train_seconds": 0.09348950999265071, "train_tokens": 384}','host:1','cpu',1.79573705200267815591e+09,1.79573705200289225579e+09,1.79573705252275848389e+09,6,7);
INSERT INTO "evaluations" VALUES('18ebbd542c00143d',4,'257ec2b2d9ce',0,673228719,'finished','','','{"train_steps": 3, "parameters": 13984, "flops_per_token": 38429.25, "state_size": 4096, "bits_per_byte": 7.907756783227113, "step_time": 22.26200100267306, "train_seconds": 0.07781803396937903, "train_tokens": 384}','host:1','cpu',1.7957370525463323593e+09,1.79573705254660558701e+09,1.79573705301203298567e+09,8,9);
INSERT INTO "evaluations" VALUES('18ebbd542c00143d',5,'61ec5dd64efc',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16032, "flops_per_token": 43037.25, "state_size": 4096, "bits_per_byte": 7.650093063635057, "step_time": 18.556496597011574, "train_seconds": 0.06891983399691526, "train_tokens": 384}','host:1','cpu',1.79573705303465247151e+09,1.79573705303508448605e+09,1.79573705354037451743e+09,10,11);
INSERT INTO "evaluations" VALUES('18ebbd542c00143d',6,'9579e61f963c',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16544, "flops_per_token": 43165.25, "state_size": 4096, "bits_per_byte": 7.769565971536433, "step_time": 24.216634000185877, "train_seconds": 0.07612718199379742, "train_tokens": 384}','host:1','cpu',1.79573705356195569039e+09,1.79573705356243824957e+09,1.79573705409443259237e+09,12,13);
INSERT INTO "evaluations" VALUES('18ebbd542c00143d',7,'dae9f3685278',0,673228719,'finished','','','{"train_steps": 3, "parameters": 14496, "flops_per_token": 39581.25, "state_size": 4096, "bits_per_byte": 7.808922481359878, "step_time": 29.900696995900944, "train_seconds": 0.09699248499237001, "train_tokens": 384}','host:1','cpu',1.79573705411163616176e+09,1.79573705411191534998e+09,1.79573705478406476978e+09,14,15);
INSERT INTO "evaluations" VALUES('18ebbd542c00143d',8,'700c4eb2a82d',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16544, "flops_per_token": 44189.25, "state_size": 4096, "bits_per_byte": 6.8287149300039385, "step_time": 27.1559125976637, "train_seconds": 0.09817324200412259, "train_tokens": 384}','host:1','cpu',1.79573705501255321504e+09,1.79573705502106046672e+09,1.79573705566775798799e+09,16,17);
INSERT INTO "evaluations" VALUES('18ebbd542c00143d',9,'0fc6e7fb9225',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16544, "flops_per_token": 44189.25, "state_size": 4096, "bits_per_byte": 7.469899273089455, "step_time": 26.8829279957572, "train_seconds": 0.09616635100974236, "train_tokens": 384}','host:1','cpu',1.79573705585211610791e+09,1.79573705585237979888e+09,1.79573705647704410549e+09,18,19);
INSERT INTO "evaluations" VALUES('18ebbd542c00143d',10,'7e3c5ae9ff21',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16544, "flops_per_token": 44189.25, "state_size": 4096, "bits_per_byte": 7.281074705192953, "step_time": 27.646386594278738, "train_seconds": 0.09633442900667433, "train_tokens": 384}','host:1','cpu',1.79573705656304049484e+09,1.79573705656336164476e+09,1.79573705727940869337e+09,20,21);
INSERT INTO "evaluations" VALUES('18ebbd542c00143d',11,'f257d9548f38',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16032, "flops_per_token": 43037.25, "state_size": 4096, "bits_per_byte": 7.141695149419508, "step_time": 34.77313200128265, "train_seconds": 0.11058650400082115, "train_tokens": 384}','host:1','cpu',1.79573705732883191106e+09,1.79573705732939696315e+09,1.79573705805920743943e+09,22,23);
CREATE TABLE genomes (
	run_id VARCHAR(32) NOT NULL, 
	id VARCHAR(12) NOT NULL, 
	birth INTEGER NOT NULL, 
	operator VARCHAR(32) NOT NULL, 
	parents JSON NOT NULL, 
	"values" JSON NOT NULL, 
	PRIMARY KEY (run_id, id), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "genomes" VALUES('18ebbd542c00143d','7b58ca1d59d3',0,'random','[]','{"training.learning_rate": 0.0134925, "embedding.kind": "spectral", "embedding.bases": 8, "embedding.frequencies": [0.907889, 4.07644]}');
INSERT INTO "genomes" VALUES('18ebbd542c00143d','984be82f009c',1,'random','[]','{"training.learning_rate": 0.0150349, "embedding.kind": "spectral", "embedding.bases": 7, "embedding.frequencies": [0.615207, 6.39535]}');
INSERT INTO "genomes" VALUES('18ebbd542c00143d','c33ef7e4a42c',2,'random','[]','{"training.learning_rate": 0.00287544, "embedding.kind": "standard"}');
INSERT INTO "genomes" VALUES('18ebbd542c00143d','ce5404658d40',3,'random','[]','{"training.learning_rate": 0.0149574, "embedding.kind": "spectral", "embedding.bases": 4, "embedding.frequencies": [4.83236, 6.17198]}');
INSERT INTO "genomes" VALUES('18ebbd542c00143d','257ec2b2d9ce',4,'random','[]','{"training.learning_rate": 0.00275328, "embedding.kind": "spectral", "embedding.bases": 3, "embedding.frequencies": [1.48362, 4.28211]}');
INSERT INTO "genomes" VALUES('18ebbd542c00143d','61ec5dd64efc',5,'random','[]','{"training.learning_rate": 0.00611948, "embedding.kind": "spectral", "embedding.bases": 7, "embedding.frequencies": [0.683687, 3.58799]}');
INSERT INTO "genomes" VALUES('18ebbd542c00143d','9579e61f963c',6,'random','[]','{"training.learning_rate": 0.00471604, "embedding.kind": "standard"}');
INSERT INTO "genomes" VALUES('18ebbd542c00143d','dae9f3685278',7,'random','[]','{"training.learning_rate": 0.00356473, "embedding.kind": "spectral", "embedding.bases": 4, "embedding.frequencies": [2.1483, 4.1007]}');
INSERT INTO "genomes" VALUES('18ebbd542c00143d','700c4eb2a82d',8,'random','[]','{"training.learning_rate": 0.0106376, "embedding.kind": "spectral", "embedding.bases": 8, "embedding.frequencies": [1.08318, 1.55499]}');
INSERT INTO "genomes" VALUES('18ebbd542c00143d','0fc6e7fb9225',9,'crossover','["700c4eb2a82d", "7b58ca1d59d3"]','{"training.learning_rate": 0.00850977, "embedding.kind": "spectral", "embedding.bases": 8, "embedding.frequencies": [0.56686, 3.74198]}');
INSERT INTO "genomes" VALUES('18ebbd542c00143d','7e3c5ae9ff21',10,'crossover','["61ec5dd64efc", "700c4eb2a82d"]','{"training.learning_rate": 0.0108205, "embedding.kind": "spectral", "embedding.bases": 8, "embedding.frequencies": [0.683687, 3.58799]}');
INSERT INTO "genomes" VALUES('18ebbd542c00143d','f257d9548f38',11,'mutation','["700c4eb2a82d"]','{"training.learning_rate": 0.0106376, "embedding.kind": "spectral", "embedding.bases": 7, "embedding.frequencies": [0.861383, 0.98947]}');
CREATE TABLE runs (
	id VARCHAR(32) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	created FLOAT NOT NULL, 
	seconds FLOAT NOT NULL, 
	settings JSON NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES('18ebbd542c00143d','tiny-20261126-235045','finished','budget spent: 12 evaluations',1.79573704575073552131e+09,1.11771608229901175945e+01,'{"id": "18ebbd542c00143d", "seed": 0, "algorithm": "evolution", "synchronous": false, "set": ["timings=2"], "corpus": {"name": "files 81779c64424b", "hash": "8307ba2e1533a97e125035e89371f05349f9461b43a233ed50fa7213f05c6936", "yardsticks": {"unigram": 4.406292117822185, "bigram": 3.5185458509876377, "6-gram": 2.7769295821090627, "zlib": 3.609375, "lzma": 2.96875}}, "directory": "/home/somebody", "space_hash": "ed5d0265194f2ecbcd6d70f89f475465e5d1d0475f8059b18a693587cd494833", "store": null, "storage": null, "started": {"backend": "inline", "workers": null, "address": null, "device": "auto", "logs": [], "confirm": true, "plugins": []}, "versions": {"python": "3.11.7", "platform": "Linux-x86_64", "hrfevo": "0.1.0", "torch": "2.13.0+cpu", "numpy": "2.4.6", "deap": "1.4.4", "ray": "2.60.0", "optuna": "5.0.0", "PyWavelets": "1.9.0", "tokenizers": "0.23.3", "SQLAlchemy": "2.1.9"}, "from": []}');
CREATE TABLE timings (
	run_id VARCHAR(32) NOT NULL, 
	genome_id VARCHAR(12) NOT NULL, 
	number INTEGER NOT NULL, 
	step_time FLOAT NOT NULL, 
	worker VARCHAR(200) NOT NULL, 
	device VARCHAR(64) NOT NULL, 
	PRIMARY KEY (run_id, genome_id, number), 
	FOREIGN KEY(run_id, genome_id) REFERENCES genomes (run_id, id)
);
INSERT INTO "timings" VALUES('18ebbd542c00143d','700c4eb2a82d',0,2.42559818041627295315e+01,'host:1','cpu');
INSERT INTO "timings" VALUES('18ebbd542c00143d','7b58ca1d59d3',0,21.9661348106456,'host:1','cpu');
INSERT INTO "timings" VALUES('18ebbd542c00143d','61ec5dd64efc',0,2.46252062905114144086e+01,'host:1','cpu');
INSERT INTO "timings" VALUES('18ebbd542c00143d','700c4eb2a82d',1,2.40555873984703794121e+01,'host:1','cpu');
INSERT INTO "timings" VALUES('18ebbd542c00143d','7b58ca1d59d3',1,2.64183557024807669222e+01,'host:1','cpu');
INSERT INTO "timings" VALUES('18ebbd542c00143d','61ec5dd64efc',1,2.25891482943552546203e+01,'host:1','cpu');
INSERT INTO "timings" VALUES('18ebbd542c00143d','257ec2b2d9ce',0,2.44930768065387383103e+01,'host:1','cpu');
INSERT INTO "timings" VALUES('18ebbd542c00143d','257ec2b2d9ce',1,2.25007560002268292009e+01,'host:1','cpu');
CREATE INDEX evaluations_submitted_event ON evaluations (run_id, submitted_event);
CREATE INDEX evaluations_ended_event ON evaluations (run_id, ended_event);
COMMIT;
