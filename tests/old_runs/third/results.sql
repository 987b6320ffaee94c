BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE curves (
	run_id VARCHAR(32) NOT NULL, 
	number INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	seconds FLOAT NOT NULL, 
	bits_per_byte FLOAT NOT NULL, 
	PRIMARY KEY (run_id, number, step), 
	FOREIGN KEY(run_id, number) REFERENCES evaluations (run_id, number)
);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',0,1,9.16992190032033249735e-02,7.91081325889824782393e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',0,2,1.70162439004343468695e-01,7.53522378733197673028e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',0,3,2.47359205000975634902e-01,7.19820727263182);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',1,1,5.3354428004240617156e-02,7.90895997385255);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',1,2,8.53096730061224661767e-02,7.68076307372872335577e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',1,3,1.09027797007001936435e-01,7.42684169661944171281e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',2,1,2.90002620022278279066e-02,7.92402771785994186615e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',2,2,5.75672630002372898161e-02,7.86021114750018501382e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',2,3,1.02294762000383343547e-01,7.82851749666858331977e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',3,1,3.27908319959533400833e-02,7.95680210766956630408e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',3,2,5.71400499902665615081e-02,7.71122945636376844191e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',3,3,9.28859659907175227999e-02,7.47766325788000507657e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',4,1,2.43329440054367296397e-02,7.92794273092418322335e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',4,2,5.62908740030252374708e-02,7.93974899594061334084e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',4,3,7.07536290065036155283e-02,7.90046540676113373535e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',5,1,2.45179280027514323592e-02,7.9444730153945126716e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',5,2,6.47663980053039267659e-02,7.77775234571750306855e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',5,3,8.0705359003331977874e-02,7.62457840548365428645e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',6,1,2.7829368998936843127e-02,7.92402771785994186615e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',6,2,7.16925279994029551744e-02,7.82568115879055348216e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',6,3,9.45871830044779926538e-02,7.77101406545669792791e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',7,1,3.76785669941455125808e-02,7.94132022943889559485e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',7,2,0.0647546109976247,7.85615235693982238984e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',7,3,0.103239490003034,7.82104932203751701536e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',8,1,4.66696939984103664755e-02,7.89042849925678080325e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',8,2,1.18589439000061247497e-01,7.11390619269309620875e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',8,3,1.98784756998065859079e-01,6.49307909202490840527e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',9,1,4.96544519992312416434e-02,7.9625346333881248384e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',9,2,1.2309846300195204094e-01,6.76989273582523676253e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',9,3,1.76119406998623162508e-01,5.63475495740483811601e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',10,1,5.05395309955929405987e-02,7.9264141491233148784e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',10,2,1.18926547998853493481e-01,6.51852633297717343197e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',10,3,1.91565437999088317155e-01,5.48869697133308864778e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',11,1,6.32630929976585321128e-02,7.91457142378490186018e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',11,2,1.21627895998244639486e-01,7.04905359884454085772e+00);
INSERT INTO "curves" VALUES('18eba4fde0233c6b',11,3,2.08140368995373137295e-01,6.10903357748101516477e+00);
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
INSERT INTO "evaluations" VALUES('18eba4fde0233c6b',0,'7b58ca1d59d3',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16544, "flops_per_token": 44189.25, "state_size": 4096, "bits_per_byte": 7.164515183397193, "step_time": 77.40539799706312, "train_seconds": 0.24736228000256233, "train_tokens": 384}','host:1','cpu',1.79571028899522328373e+09,1.79571028903706026076e+09,1.79571029784210276598e+09,0,1);
INSERT INTO "evaluations" VALUES('18eba4fde0233c6b',1,'984be82f009c',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16032, "flops_per_token": 43037.25, "state_size": 4096, "bits_per_byte": 7.398830538308115, "step_time": 25.331784802256152, "train_seconds": 0.10903185300412588, "train_tokens": 384}','host:1','cpu',1.79571029786392068867e+09,1.79571029786409735681e+09,1.79571029868823885912e+09,2,3);
INSERT INTO "evaluations" VALUES('18eba4fde0233c6b',2,'c33ef7e4a42c',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16544, "flops_per_token": 43165.25, "state_size": 4096, "bits_per_byte": 7.831324253530664, "step_time": 28.613117399800103, "train_seconds": 0.10229863700078567, "train_tokens": 384}','host:1','cpu',1.795710298695053339e+09,1.79571029869523191447e+09,1.79571029938624167439e+09,4,5);
INSERT INTO "evaluations" VALUES('18eba4fde0233c6b',3,'ce5404658d40',0,673228719,'finished','','','{"train_steps": 3, "parameters": 14496, "flops_per_token": 39581.25, "state_size": 4096, "bits_per_byte": 7.461129533756658, "step_time": 26.004143204772845, "train_seconds": 0.09288977098913165, "train_tokens": 384}','host:1','cpu',1.79571029938831806188e+09,1.79571029938847899435e+09,1.79571030009657335276e+09,6,7);
INSERT INTO "evaluations" VALUES('18eba4fde0233c6b',4,'257ec2b2d9ce',0,673228719,'finished','','','{"train_steps": 3, "parameters": 13984, "flops_per_token": 38429.25, "state_size": 4096, "bits_per_byte": 7.907756783227113, "step_time": 16.404696000972763, "train_seconds": 0.07075709400669439, "train_tokens": 384}','host:1','cpu',1.79571030011790609354e+09,1.79571030011810660364e+09,1.79571030078529620169e+09,8,9);
INSERT INTO "evaluations" VALUES('18eba4fde0233c6b',5,'61ec5dd64efc',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16032, "flops_per_token": 43037.25, "state_size": 4096, "bits_per_byte": 7.650093063635057, "step_time": 17.62411899981089, "train_seconds": 0.08070881399908103, "train_tokens": 384}','host:1','cpu',1795710300.7874,1.79571030078756618494e+09,1.7957103014563322068e+09,10,11);
INSERT INTO "evaluations" VALUES('18eba4fde0233c6b',6,'9579e61f963c',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16544, "flops_per_token": 43165.25, "state_size": 4096, "bits_per_byte": 7.769565971536433, "step_time": 23.85307799850125, "train_seconds": 0.09459049800352659, "train_tokens": 384}','host:1','cpu',1.79571030147057604789e+09,1.7957103014707303047e+09,1.79571030207733511926e+09,12,13);
INSERT INTO "evaluations" VALUES('18eba4fde0233c6b',7,'dae9f3685278',0,673228719,'finished','','','{"train_steps": 3, "parameters": 14496, "flops_per_token": 39581.25, "state_size": 4096, "bits_per_byte": 7.808922481359878, "step_time": 29.165575999650173, "train_seconds": 0.10324544900504407, "train_tokens": 384}','host:1','cpu',1.79571030207941269869e+09,1.79571030207957243922e+09,1.79571030284648561472e+09,14,15);
INSERT INTO "evaluations" VALUES('18eba4fde0233c6b',8,'d4b43a0a44c7',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16544, "flops_per_token": 44189.25, "state_size": 4096, "bits_per_byte": 6.431447389261712, "step_time": 51.675726802204736, "train_seconds": 0.19878803200117545, "train_tokens": 384}','host:1','cpu',1.79571030310982418065e+09,1.79571030311005711554e+09,1.79571030459665513037e+09,16,17);
INSERT INTO "evaluations" VALUES('18eba4fde0233c6b',9,'36351d7c976f',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16032, "flops_per_token": 43037.25, "state_size": 4096, "bits_per_byte": 5.6279729935507135, "step_time": 50.29924160189694, "train_seconds": 0.176122350996593, "train_tokens": 384}','host:1','cpu',1.79571030494335031509e+09,1.79571030494358062747e+09,1.79571030654601693156e+09,18,19);
INSERT INTO "evaluations" VALUES('18eba4fde0233c6b',10,'3f3a86cefd18',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16544, "flops_per_token": 44189.25, "state_size": 4096, "bits_per_byte": 5.574377008166431, "step_time": 54.06770979752764, "train_seconds": 0.19156816200120375, "train_tokens": 384}','host:1','cpu',1.79571030701399707795e+09,1.79571030701425790781e+09,1.79571030851224470135e+09,20,21);
INSERT INTO "evaluations" VALUES('18eba4fde0233c6b',11,'394d8ed873eb',0,673228719,'finished','','','{"train_steps": 3, "parameters": 16544, "flops_per_token": 44189.25, "state_size": 4096, "bits_per_byte": 6.144097400338925, "step_time": 59.31093519757269, "train_seconds": 0.2081438640016131, "train_tokens": 384}','host:1','cpu',1.79571030863601255418e+09,1.7957103086362447738e+09,1.79571031015514135363e+09,22,23);
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
INSERT INTO "genomes" VALUES('18eba4fde0233c6b','7b58ca1d59d3',0,'random','[]','{"training.learning_rate": 0.0134925, "embedding.kind": "spectral", "embedding.bases": 8, "embedding.frequencies": [0.907889, 4.07644]}');
INSERT INTO "genomes" VALUES('18eba4fde0233c6b','984be82f009c',1,'random','[]','{"training.learning_rate": 0.0150349, "embedding.kind": "spectral", "embedding.bases": 7, "embedding.frequencies": [0.615207, 6.39535]}');
INSERT INTO "genomes" VALUES('18eba4fde0233c6b','c33ef7e4a42c',2,'random','[]','{"training.learning_rate": 0.00287544, "embedding.kind": "standard"}');
INSERT INTO "genomes" VALUES('18eba4fde0233c6b','ce5404658d40',3,'random','[]','{"training.learning_rate": 0.0149574, "embedding.kind": "spectral", "embedding.bases": 4, "embedding.frequencies": [4.83236, 6.17198]}');
INSERT INTO "genomes" VALUES('18eba4fde0233c6b','257ec2b2d9ce',4,'random','[]','{"training.learning_rate": 0.00275328, "embedding.kind": "spectral", "embedding.bases": 3, "embedding.frequencies": [1.48362, 4.28211]}');
INSERT INTO "genomes" VALUES('18eba4fde0233c6b','61ec5dd64efc',5,'random','[]','{"training.learning_rate": 0.00611948, "embedding.kind": "spectral", "embedding.bases": 7, "embedding.frequencies": [0.683687, 3.58799]}');
INSERT INTO "genomes" VALUES('18eba4fde0233c6b','9579e61f963c',6,'random','[]','{"training.learning_rate": 0.00471604, "embedding.kind": "standard"}');
INSERT INTO "genomes" VALUES('18eba4fde0233c6b','dae9f3685278',7,'random','[]','{"training.learning_rate": 0.00356473, "embedding.kind": "spectral", "embedding.bases": 4, "embedding.frequencies": [2.1483, 4.1007]}');
INSERT INTO "genomes" VALUES('18eba4fde0233c6b','d4b43a0a44c7',8,'crossover','["61ec5dd64efc", "984be82f009c"]','{"training.learning_rate": 0.0271927, "embedding.kind": "spectral", "embedding.bases": 8, "embedding.frequencies": [1.40197, 4.83606]}');
INSERT INTO "genomes" VALUES('18eba4fde0233c6b','36351d7c976f',9,'mutation','["d4b43a0a44c7"]','{"training.learning_rate": 0.0299803, "embedding.kind": "spectral", "embedding.bases": 7, "embedding.frequencies": [1.58985, 1.82626]}');
INSERT INTO "genomes" VALUES('18eba4fde0233c6b','3f3a86cefd18',10,'crossover','["257ec2b2d9ce", "36351d7c976f"]','{"training.learning_rate": 0.0299999, "embedding.kind": "spectral", "embedding.bases": 8, "embedding.frequencies": [0.5, 0.574349]}');
INSERT INTO "genomes" VALUES('18eba4fde0233c6b','394d8ed873eb',11,'mutation','["3f3a86cefd18"]','{"training.learning_rate": 0.0151742, "embedding.kind": "spectral", "embedding.bases": 8, "embedding.frequencies": [0.569194, 0.70622]}');
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
INSERT INTO "runs" VALUES('18eba4fde0233c6b','tiny-20261126-162446','finished','budget spent: 12 evaluations',1.7957102869026768208e+09,2.12433867950021522115e+01,'{"id": "18eba4fde0233c6b", "seed": 0, "algorithm": "evolution", "synchronous": false, "set": [], "corpus": {"name": "files 81779c64424b", "hash": "8307ba2e1533a97e125035e89371f05349f9461b43a233ed50fa7213f05c6936", "yardsticks": {"unigram": 4.406292117822185, "bigram": 3.5185458509876377, "6-gram": 2.7769295821090627, "zlib": 3.609375, "lzma": 2.96875}}, "directory": "/home/somebody", "space_hash": "6c230f0b9976716ca3575ecd0e92fbfcfc89d7c8a3ee9b0560a12d808094b87d", "store": null, "storage": null, "started": {"backend": "inline", "workers": null, "address": null, "device": "auto", "logs": [], "confirm": false}, "versions": {"python": "3.11.7", "platform": "Linux-x86_64", "hrfevo": "0.1.0", "torch": "2.13.0+cpu", "numpy": "2.4.6", "deap": "1.4.4", "ray": "2.60.0", "optuna": "5.0.0", "PyWavelets": "1.9.0", "tokenizers": "0.23.3", "SQLAlchemy": "2.1.9"}, "from": []}');
CREATE INDEX evaluations_ended_event ON evaluations (run_id, ended_event);
CREATE INDEX evaluations_submitted_event ON evaluations (run_id, submitted_event);
COMMIT;
